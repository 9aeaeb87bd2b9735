import Codec
import GPUBackend
import Scheduler
import Tokens

/// Which mesh this node belongs to: the file `mesh` of its data directory, written once when it is admitted.
struct MeshMembership: Hashable, Sendable {
    var meshName: String
    /// What names the mesh: its first public key, 32 bytes. Who held the other half founded it.
    var meshKey: PublicKey
    /// The mesh key above `certificates`: `meshKey`, or one that took its place.
    var root: PublicKey
    /// Which key certifies hosts, as far as this node knows.
    var currentMeshKey: PublicKey
    /// How other keys took the place of `meshKey`, as far as the replicated state remembers it, oldest first.
    var meshKeyRotations: [MeshKeyRotation] = []
    /// This node's number in the mesh.
    var node: NodeID
    var nodeName: String
    /// From the mesh key to this node, so that it can show itself to those who know the mesh key only.
    var certificates: CertificateChain
    var isFounder: Bool
    /// Of the founder, until its first entry is in the log.
    var labels: [Label] = []
    /// How often this mesh was recovered from one node (`RaftRecovery`). Nodes of different epochs do not talk about the
    /// log: the older one puts its own aside.
    var epoch: UInt64 = 0
    /// The log here is of an older epoch and is to be put aside before it is opened.
    var discardsLog = false
    /// This node has had a log: when there is none it was lost, and is not just to come.
    var hasLog = false
    /// How this node got the key that it has, for those who know it by the one before; nil where it is its first.
    var rotation: KeyRotation?
    /// Where this daemon listens, as others reach it; not kept, each start says it anew.
    var addresses: [String] = []

    init(
        meshName: String, meshKey: PublicKey, node: NodeID, nodeName: String, certificates: CertificateChain,
        isFounder: Bool, labels: [Label] = []
    ) {
        self.meshName = meshName
        self.meshKey = meshKey
        root = meshKey
        currentMeshKey = meshKey
        self.node = node
        self.nodeName = nodeName
        self.certificates = certificates
        self.isFounder = isFounder
        self.labels = labels
    }

    /// One port for everything (design, section 6).
    static let defaultPort: UInt16 = 7717

    /// Bound into every handshake of the mesh.
    var meshID: [UInt8] { MeshMembership.meshID(meshKey) }
    /// Bound into every datagram key: what was before a recovery and what came after it never meet.
    var datagramBinding: [UInt8] { meshID + (0..<8).map { UInt8(truncatingIfNeeded: epoch >> (8 * $0)) } }
    /// What this node shows at a first contact.
    ///
    /// - Parameter rotations: for those who know a former mesh key.
    func credentials(_ identity: NodeIdentity, _ rotations: [MeshKeyRotation]) -> MemberCredentials {
        MemberCredentials(
            meshName: meshName, meshKey: meshKey, root: root, certificates: certificates,
            noiseBinding: identity.noiseBinding, epoch: epoch, rotation: rotation, meshKeyRotations: rotations)
    }

    /// What a chain of certificates says that stands below one of the mesh keys which this node knows.
    ///
    /// - Throws: as `CertificateChain.verify`, and `root`.
    func verify(_ chain: CertificateChain) throws(TokenError) -> Certificate.Content {
        try chain.verify(meshKey: meshKey, root: root(of: chain))
    }

    /// Which of the mesh keys that this node knows stands above a chain.
    func root(of chain: CertificateChain) throws(TokenError) -> PublicKey {
        var keys = [currentMeshKey, root, meshKey]
        for rotation in meshKeyRotations { keys.append(try PublicKey(bytes: rotation.newKey.array)) }
        return try chain.root(among: keys)
    }

    /// Whether that key has certified hosts of this mesh, and does no longer.
    func isFormer(_ key: PublicKey) -> Bool {
        key != currentMeshKey
            && (key == meshKey || key == root || meshKeyRotations.contains { $0.newKey.array == key.bytes })
    }

    /// The id that handshakes are bound to, of the mesh with this key.
    static func meshID(_ meshKey: PublicKey) -> [UInt8] {
        BLAKE3.hash(Array("swarmlet mesh".utf8) + meshKey.bytes).bytes
    }

    var fingerprint: String { MeshFingerprint(meshKey: currentMeshKey).text }

    /// What the directory says; nil where it is in no mesh.
    static func read(_ directory: DataDirectory) throws -> MeshMembership? {
        guard HostFiles.exists(directory.mesh) else { return nil }
        let bytes = try HostFiles.read(directory.mesh)
        do {
            return try MeshMembership(encoded: bytes)
        } catch {
            throw NodeError.dataDirectoryDamaged(path: directory.mesh, reason: APIFailure(error).message)
        }
    }

    /// Refuses what was written for another node's key or by another mesh: parts of two data directories in one.
    func check(_ identity: NodeIdentity, _ directory: DataDirectory) throws {
        let reason: String
        do {
            if try verify(certificates).subject == identity.publicKey { return }
            reason = "it was written for another node's key than \(directory.identity)"
        } catch {
            reason = APIFailure(error).message
        }
        throw NodeError.dataDirectoryDamaged(path: directory.mesh, reason: reason)
    }

    func write(_ directory: DataDirectory) throws { try HostFiles.replace(directory.mesh, with: encoded()) }
}

extension MeshMembership: CBORCodable {
    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        meshName = try map.require(1)
        let founding: PublicKey = try map.require(2)
        meshKey = founding
        node = try map.require(3)
        nodeName = try map.require(4)
        certificates = try map.require(5)
        isFounder = try map.require(6)
        labels = try map.require(7)
        epoch = try map.optional(8) ?? 0
        discardsLog = try map.optional(9) ?? false
        hasLog = try map.optional(10) ?? false
        rotation = try map.optional(11)
        root = try map.optional(12) ?? founding
        currentMeshKey = try map.optional(13) ?? founding
        meshKeyRotations = try map.optional(14) ?? []
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, meshName)
        map.set(2, meshKey)
        map.set(3, node)
        map.set(4, nodeName)
        map.set(5, certificates)
        map.set(6, isFounder)
        map.set(7, labels)
        map.set(8, epoch)
        map.set(9, discardsLog)
        map.set(10, hasLog)
        map.set(11, rotation)
        if root != meshKey { map.set(12, root) }
        if currentMeshKey != meshKey { map.set(13, currentMeshKey) }
        if !meshKeyRotations.isEmpty { map.set(14, meshKeyRotations) }
        return .map(map)
    }
}
