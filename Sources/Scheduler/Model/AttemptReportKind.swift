import Codec

/// What happened to an attempt.
public enum AttemptReportKind: Hashable, Sendable, CBORCodable {
    case preparing
    case running
    case ended(Outcome)

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let kind: UInt64 = try map.require(0)
        switch kind {
        case 0: self = .preparing
        case 1: self = .running
        case 2: self = .ended(try map.require(1))
        default: throw .unknownKind("AttemptReportKind", kind)
        }
    }

    public var cbor: CBOR {
        switch self {
        case .preparing: return .kind(0)
        case .running: return .kind(1)
        case .ended(let outcome): return .kind(2) { $0.set(1, outcome) }
        }
    }
}
