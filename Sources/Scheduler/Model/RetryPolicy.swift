import Codec

/// When a task is tried again.
public enum RetryPolicy: Hashable, Sendable, CBORCodable {
    /// It may never run twice, not even when its host is lost: it is unknown until the host is back.
    case never
    /// This often after failures of its own. Lost hosts never count.
    case times(UInt32)

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let kind: UInt64 = try map.require(0)
        switch kind {
        case 0: self = .never
        case 1: self = .times(try map.require(1))
        default: throw .unknownKind("RetryPolicy", kind)
        }
    }

    public var cbor: CBOR {
        switch self {
        case .never: return .kind(0)
        case .times(let count): return .kind(1) { $0.set(1, count) }
        }
    }
}
