/// What a sealed datagram is for. Each purpose and direction has a key of its own, so that a packet made for one is refused
/// for another before anything in it is looked at.
public enum DatagramPurpose: UInt8, Hashable, Sendable, CaseIterable {
    /// Whether datagrams arrive: no content.
    case path = 1
    /// A gossip message.
    case gossip = 2
    /// A renewal of a lease, or its grant.
    case lease = 3
}
