import Codec

/// How far one try of a gang has come: from when it was placed to when the next one is.
public struct GangRecord: Hashable, Sendable, CBORCodable {
    /// The number of the attempt; every rank has the same.
    public var attempt: UInt32
    /// Ranks whose files are where they will run, ascending. None starts before all are.
    public var ready: [UInt32]
    /// Nil until rank 0 is ready.
    public var meeting: MeetingPoint?
    /// Nil while no rank has ended otherwise than well.
    public var ending: GangEnding?

    public init(attempt: UInt32, ready: [UInt32] = [], meeting: MeetingPoint? = nil, ending: GangEnding? = nil) {
        self.attempt = attempt
        self.ready = ready
        self.meeting = meeting
        self.ending = ending
    }

    /// Whether its ranks may start.
    public func mayStart(_ gang: GangSpec) -> Bool { ending == nil && meeting != nil && ready.count == Int(gang.ranks) }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        attempt = try map.require(1)
        ready = try map.optional(2) ?? []
        meeting = try map.optional(3)
        ending = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, attempt)
        map.set(2, ready.isEmpty ? nil : ready)
        map.set(3, meeting)
        map.set(4, ending)
        return .map(map)
    }
}
