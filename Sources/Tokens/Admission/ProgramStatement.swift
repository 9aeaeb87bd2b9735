import Codec

/// A node's word that an administrator wants this program to run, signed by the key of its identity for one mesh. Whoever is
/// to run the program looks at who signed, and when: it is not good for ever.
public struct ProgramStatement: Hashable, Sendable {
    static let purpose = "swarmlet/program/1"
    /// The longest names of a person and of a host.
    private static let actorByteCountMax = 320

    /// BLAKE3 of the program's bytes.
    public let program: Digest
    public let version: ProgramVersion
    /// Whether it may take the place of a newer one.
    public let allowsOlder: Bool
    /// By the time of the mesh, in nanoseconds since the Unix epoch.
    public let time: Int64
    /// Who asked, and where: `ana@owl`.
    public let actor: String
    /// 64 bytes.
    let signature: Bytes

    /// - Parameters:
    ///   - mesh: the id of the mesh's public key.
    ///   - key: of the node's identity.
    public init(
        _ program: Digest, version: ProgramVersion, allowsOlder: Bool, time: Int64, actor: String, mesh: String,
        key: SigningKey
    ) {
        self.program = program
        self.version = version
        self.allowsOlder = allowsOlder
        self.time = time
        self.actor = actor
        let parts = ProgramStatement.parts(program, version, allowsOlder, time, actor, mesh)
        signature = Bytes(key.sign(purpose: ProgramStatement.purpose, parts))
    }

    /// Whether this key says so, for that mesh.
    public func isSigned(by key: PublicKey, mesh: String) -> Bool {
        let parts = ProgramStatement.parts(program, version, allowsOlder, time, actor, mesh)
        return key.verify(signature.array, purpose: ProgramStatement.purpose, parts)
    }

    private static func parts(
        _ program: Digest, _ version: ProgramVersion, _ allowsOlder: Bool, _ time: Int64, _ actor: String,
        _ mesh: String
    ) -> [[UInt8]] {
        let moment = (0..<8).map { UInt8(truncatingIfNeeded: time >> (8 * $0)) }
        return [
            Array(mesh.utf8), program.bytes, Array(version.text.utf8), [allowsOlder ? 1 : 0], moment,
            Array(actor.utf8),
        ]
    }
}

extension ProgramStatement: CBORCodable {
    /// Strict: no other fields, and of the actor only what may be shown to people.
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        program = try map.require(1)
        version = try map.require(2)
        allowsOlder = try map.require(3)
        time = try map.require(4)
        actor = try map.require(5)
        signature = try map.require(6)
        guard map.count == 6 else { throw .invalid("more than a statement about a program") }
        guard time >= 0 else { throw .invalid("a time before there were any") }
        guard (1...ProgramStatement.actorByteCountMax).contains(actor.utf8.count),
            actor.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
        else { throw .invalid("what is no name of a person") }
        guard signature.array.count == SigningKey.signatureByteCount else { throw .invalid("what is no signature") }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, program)
        map.set(2, version)
        map.set(3, allowsOlder)
        map.set(4, time)
        map.set(5, actor)
        map.set(6, signature)
        return .map(map)
    }
}
