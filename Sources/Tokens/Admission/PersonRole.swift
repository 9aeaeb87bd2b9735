import Codec

/// What a person may do, as the node says at which he asks: it looks at the groups of its users.
public enum PersonRole: UInt64, Hashable, Sendable, CBORCodable {
    /// Submits, sees all, and ends what is his own.
    case user = 0
    case administrator = 1

    public init(cbor: CBOR) throws(CodecError) {
        let value = try UInt64(cbor: cbor)
        guard let role = PersonRole(rawValue: value) else { throw .invalid("no role of a person: \(value)") }
        self = role
    }

    public var cbor: CBOR { .unsigned(rawValue) }
}
