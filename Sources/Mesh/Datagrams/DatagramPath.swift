import Codec

/// How datagrams to and from a member fare.
public struct DatagramPath: Hashable, Sendable {
    /// One direction.
    public enum Direction: Hashable, Sendable {
        /// Nothing is known: nothing was sent, or the member does not speak datagrams.
        case unknown
        case open
        /// The last one was not confirmed in time; messages go both ways meanwhile.
        case doubtful
        /// What was sent did not arrive; messages go through the session.
        case blocked
    }

    /// From this node to the member.
    public var outbound: Direction
    /// From the member to this node.
    public var inbound: Direction
    /// The time there and back, smoothed.
    public var roundTrip: Interval?
    /// Whether both sides have agreed on keys: the member speaks datagrams.
    public var hasKeys: Bool

    public init(outbound: Direction, inbound: Direction, roundTrip: Interval?, hasKeys: Bool) {
        self.outbound = outbound
        self.inbound = inbound
        self.roundTrip = roundTrip
        self.hasKeys = hasKeys
    }
}
