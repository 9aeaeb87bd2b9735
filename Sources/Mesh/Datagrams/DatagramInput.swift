import Codec

/// How a packet came.
public enum DatagramRoute: Hashable, Sendable {
    /// Over UDP, from an address that proves nothing.
    case socket
    /// Through the session with this member.
    case session(NodeID)
}

/// What can happen to a `DatagramCore`.
public enum DatagramInput: Hashable, Sendable {
    /// Time has passed: give it when `nextDeadline` is reached; too early or too late does no harm.
    case timer
    case received([UInt8], DatagramRoute)
    /// Bring this to the member.
    case send(NodeID, DatagramPurpose, [UInt8])
    /// Somebody wants to know how datagrams fare between here and there.
    case probe(NodeID)
    /// A member, its X25519 key, and what it may say by datagram.
    case member(NodeID, key: [UInt8], allowed: Set<DatagramPurpose>)
    /// It is a member no more.
    case forget(NodeID)
}

/// What a `DatagramCore` asks its shell to do, in this order.
public enum DatagramEffect: Hashable, Sendable {
    /// Send this packet to the member's address.
    case transmit(NodeID, [UInt8])
    /// Send this packet back to where the one just given came from.
    case answer([UInt8])
    /// Send this packet through the session with the member, if there is one.
    case post(NodeID, [UInt8])
    /// Send this message through the session: datagrams are not known to arrive.
    case fallback(NodeID, DatagramPurpose, [UInt8])
    /// A message came from a member that may say it.
    case deliver(NodeID, DatagramPurpose, [UInt8])
    /// The packet just given is this member's, fresh: where it came from is where the member is.
    case located(NodeID)
    /// Datagrams to the member do not arrive at the address that was tried: try another one, if there is.
    case mislaid(NodeID)
    /// Another opinion of a direction than before.
    case changed(NodeID, DatagramPath)
}
