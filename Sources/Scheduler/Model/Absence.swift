import Codec

/// A node has said that its daemon will be away for a while, as for an upgrade: what it runs goes on without it.
///
/// Its supervisors hold a lease until then, and nobody gives it up before. It ends when a daemon of the node is back and has
/// taken that lease back, or with the loss of the node.
public struct Absence: Hashable, Sendable, CBORCodable {
    /// Drawn by the node, another one for each absence: an end that comes late ends no other.
    public var id: UInt64
    /// For how long, at most `SchedulerLimits.absenceMax`. Everybody counts on a clock of its own.
    public var nanoseconds: Int64
    /// When the mesh heard of it, in nanoseconds since the Unix epoch. For people; what a caller writes here is not looked at.
    public var since: Int64

    public init(id: UInt64, nanoseconds: Int64, since: Int64 = 0) {
        self.id = id
        self.nanoseconds = nanoseconds
        self.since = since
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        id = try map.require(1)
        nanoseconds = try map.require(2)
        since = try map.optional(3) ?? 0
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, id)
        map.set(2, nanoseconds)
        map.set(3, since)
        return .map(map)
    }
}
