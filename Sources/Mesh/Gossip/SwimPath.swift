/// How a message of gossip travels.
public enum SwimPath: Hashable, Sendable {
    /// Alone, as fast as the network can, and perhaps not at all: at most `SwimConstants.messageBytesMax` encoded.
    case datagram
    /// Inside the session with the peer, where there is one: comparisons, and probes of members that no datagram reaches.
    case stream
}
