import Codec
import Scheduler
import Tokens

/// What a node that wants to join says, after a first contact in which it has seen whom it talks to.
struct AdmissionRequest: Hashable, Sendable, CBORCodable {
    /// Itself: name, keys, addresses, what it has.
    var node: NodeRecord
    /// That its session key is its own (`NoiseKeyBinding`).
    var noiseBinding: NoiseKeyBinding
    /// The join token of its invitation; nil: it knocks and waits to be approved.
    var token: JoinToken?
    /// Its signature over this handshake, the token and what it says about itself (`JoinProof`).
    var proof: JoinProof

    init(node: NodeRecord, noiseBinding: NoiseKeyBinding, token: JoinToken?, proof: JoinProof) {
        self.node = node
        self.noiseBinding = noiseBinding
        self.token = token
        self.proof = proof
    }

    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        noiseBinding = try map.require(2)
        token = try map.optional(3)
        proof = try map.require(4)
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, noiseBinding)
        map.set(3, token)
        map.set(4, proof)
        return .map(map)
    }
}

/// What a node that was admitted needs to take part.
struct Admission: Hashable, Sendable, CBORCodable {
    var node: NodeID
    var name: String
    var meshName: String
    var certificates: CertificateChain
    /// Members it can reach, the one that admitted it first.
    var peers: [PeerRecord]
    /// How often the mesh was recovered.
    var epoch: UInt64
    /// For those who know a former mesh key: it may have been rotated while the node waited to be approved.
    var meshKeyRotations: [MeshKeyRotation]

    init(
        node: NodeID, name: String, meshName: String, certificates: CertificateChain, peers: [PeerRecord],
        epoch: UInt64 = 0, meshKeyRotations: [MeshKeyRotation] = []
    ) {
        self.meshKeyRotations = meshKeyRotations
        self.node = node
        self.name = name
        self.meshName = meshName
        self.certificates = certificates
        self.peers = peers
        self.epoch = epoch
    }

    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        name = try map.require(2)
        meshName = try map.require(3)
        certificates = try map.require(4)
        peers = try map.require(5)
        epoch = try map.optional(6) ?? 0
        meshKeyRotations = try MeshKeyRotation.some(map, 7)
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, name)
        map.set(3, meshName)
        map.set(4, certificates)
        map.set(5, peers)
        map.set(6, epoch)
        if !meshKeyRotations.isEmpty { map.set(7, meshKeyRotations) }
        return .map(map)
    }
}

/// The answers to an admission request.
enum AdmissionReply: Hashable, Sendable, CBORCodable {
    /// Nobody has approved it yet; more answers follow.
    case waiting
    case admitted(Admission)
    case refused(APIFailure)

    init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .waiting
        case 2: self = .admitted(try Admission(cbor: content))
        case 3: self = .refused(try APIFailure(cbor: content))
        default: throw .invalid("admission reply \(number) is not known to this version")
        }
    }

    var cbor: CBOR {
        switch self {
        case .waiting: numbered(1)
        case .admitted(let admission): numbered(2, admission.cbor)
        case .refused(let failure): numbered(3, failure.cbor)
        }
    }
}

/// What a member shows at a first contact: who it is, on whose word, and that its session key is its own.
struct MemberCredentials: Hashable, Sendable, CBORCodable {
    var meshName: String
    /// What names the mesh: the key that founded it.
    var meshKey: PublicKey
    /// The mesh key above its certificates: `meshKey`, or the one in its place.
    var root: PublicKey
    /// From that key to the member.
    var certificates: CertificateChain
    var noiseBinding: NoiseKeyBinding
    /// How often the mesh was recovered, as far as the member knows.
    var epoch: UInt64
    /// For those who know the member by the key that it had before.
    var rotation: KeyRotation?
    /// For those who know a former mesh key, oldest first.
    var meshKeyRotations: [MeshKeyRotation]
    /// Of this start of its daemon.
    var boot = TwinWatch.unknown

    init(
        meshName: String, meshKey: PublicKey, root: PublicKey? = nil, certificates: CertificateChain,
        noiseBinding: NoiseKeyBinding, epoch: UInt64 = 0, rotation: KeyRotation? = nil,
        meshKeyRotations: [MeshKeyRotation] = []
    ) {
        self.root = root ?? meshKey
        self.meshKeyRotations = meshKeyRotations
        self.rotation = rotation
        self.meshName = meshName
        self.meshKey = meshKey
        self.certificates = certificates
        self.noiseBinding = noiseBinding
        self.epoch = epoch
    }

    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        meshName = try map.require(1)
        let founding: PublicKey = try map.require(2)
        meshKey = founding
        certificates = try map.require(3)
        noiseBinding = try map.require(4)
        epoch = try map.optional(5) ?? 0
        rotation = try map.optional(6)
        root = try map.optional(7) ?? founding
        meshKeyRotations = try MeshKeyRotation.some(map, 8)
        boot = try map.optional(9) ?? TwinWatch.unknown
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, meshName)
        map.set(2, meshKey)
        map.set(3, certificates)
        map.set(4, noiseBinding)
        map.set(5, epoch)
        map.set(6, rotation)
        if root != meshKey { map.set(7, root) }
        if !meshKeyRotations.isEmpty { map.set(8, meshKeyRotations) }
        map.set(9, boot == TwinWatch.unknown ? nil : boot)
        return .map(map)
    }

    /// Whether whoever knows that key of the mesh is led to the one above the certificates.
    ///
    /// - Throws: `TokenError.otherMeshKey`; `signatureInvalid` for a statement that is forged.
    func checkRoot(knowing known: PublicKey) throws(TokenError) {
        guard try MeshKeyRotation.keys(from: known, by: meshKeyRotations, mesh: meshKey).contains(root) else {
            throw .otherMeshKey(
                shown: MeshFingerprint(meshKey: root).text, known: MeshFingerprint(meshKey: known).text)
        }
    }
}

extension MeshKeyRotation {
    /// Those that a message has under a number, not more than there may be.
    fileprivate static func some(_ map: CBORMap, _ number: Int) throws(CodecError) -> [MeshKeyRotation] {
        let rotations: [MeshKeyRotation] = try map.optional(number) ?? []
        guard rotations.count <= countMax else { throw .invalid("\(rotations.count) rotations of a mesh key") }
        return rotations
    }
}
