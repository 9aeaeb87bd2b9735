import Codec

/// A node takes no new work, on somebody's order, until that is taken back.
public struct DrainOrder: Hashable, Sendable, CBORCodable {
    public enum Kind: UInt64, Hashable, Sendable, CBORCodable {
        /// What runs there stays, and so does its seat among the voters.
        case cordon = 0
        /// What runs there ends or moves, and its seat goes to another node.
        case drain = 1

        public init(cbor: CBOR) throws(CodecError) {
            let value = try UInt64(cbor: cbor)
            guard let kind = Kind(rawValue: value) else { throw .unknownKind("DrainOrder.Kind", value) }
            self = kind
        }

        public var cbor: CBOR { .unsigned(rawValue) }
    }

    public var kind: Kind
    /// Set when it is applied: nanoseconds since the Unix epoch.
    public var since: Int64
    /// How long attempts that could not move yet may go on, in nanoseconds after `since`; nil: to their end.
    public var patience: Int64?
    /// Who gave it.
    public var by: String
    /// Why, for people; empty where nothing was said.
    public var reason: String

    public init(kind: Kind, since: Int64 = 0, patience: Int64? = nil, by: String, reason: String = "") {
        self.kind = kind
        self.since = since
        self.patience = patience
        self.by = by
        self.reason = reason
    }

    /// From when on nothing stays, in nanoseconds since the Unix epoch; nil: no time is set.
    public var deadline: Int64? {
        guard kind == .drain, let patience else { return nil }
        let (sum, overflow) = since.addingReportingOverflow(patience)
        return overflow ? .max : sum
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        kind = try map.require(1)
        since = try map.require(2)
        patience = try map.optional(3)
        by = try map.require(4)
        reason = try map.require(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, kind)
        map.set(2, since)
        map.set(3, patience)
        map.set(4, by)
        map.set(5, reason)
        return .map(map)
    }
}
