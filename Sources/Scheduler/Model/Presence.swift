import Codec

/// Whether the mesh counts on a node. The leader decides it; gossip only gives it reasons.
public enum Presence: Hashable, Sendable, CBORCodable {
    case present
    /// Its lease ran out: what it ran has been given back, except what may never run twice.
    /// Nanoseconds since the Unix epoch.
    case lost(since: Int64)
    /// It left or was removed; its number is never used again.
    case left

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let kind: UInt64 = try map.require(0)
        switch kind {
        case 0: self = .present
        case 1: self = .lost(since: try map.require(1))
        case 2: self = .left
        default: throw .unknownKind("Presence", kind)
        }
    }

    public var cbor: CBOR {
        switch self {
        case .present: return .kind(0)
        case .lost(let since): return .kind(1) { $0.set(1, since) }
        case .left: return .kind(2)
        }
    }
}
