import Codec

/// What a node may become in the quorum, and whether it runs work.
public enum NodeRole: UInt64, Hashable, Sendable, CBORCodable {
    /// A voter when the mesh needs one.
    case auto = 0
    /// Never a voter.
    case worker = 1
    /// It only submits: never a voter, and nothing is placed there or copied to it.
    case client = 2

    /// As it is written after `--role`.
    public var name: String {
        switch self {
        case .auto: "auto"
        case .worker: "worker"
        case .client: "client"
        }
    }

    public init(cbor: CBOR) throws(CodecError) {
        let value = try UInt64(cbor: cbor)
        guard let role = NodeRole(rawValue: value) else { throw .unknownKind("NodeRole", value) }
        self = role
    }

    public var cbor: CBOR { .unsigned(rawValue) }
}
