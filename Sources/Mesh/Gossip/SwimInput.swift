import Codec

/// What can happen to a `SwimCore`.
public enum SwimInput: Hashable, Sendable {
    /// Time has passed: give it when `nextDeadline` is reached; too early or too late does no harm.
    case timer
    /// A message whose sender the seal of the datagram, or the session, has proven.
    case received(from: NodeID, SwimMessage, over: SwimPath)
    /// All members of the mesh, from the replicated membership; this node itself may be among them.
    case members([SwimPeer])
    /// The session to this member broke: a reason to look at once, not a verdict.
    case unreachable(NodeID)
    /// What this node says of itself from now on, at most `SwimConstants.factBytesMax`.
    case facts([UInt8])
    /// Every member of the mesh checks signatures: from here on this node signs, and believes nobody who does not.
    case signaturesKnown
    /// What the core said in `saved` before a restart, after the first `members`.
    case restore([SwimRumour])
    /// This node goes on purpose: say goodbye.
    case leave
}

/// What a `SwimCore` asks its shell to do.
public enum SwimEffect: Hashable, Sendable {
    /// Send this; where it cannot travel so, drop it.
    case send(NodeID, SwimMessage, over: SwimPath)
    /// Something is known of a member that was not before. The shell keeps the newest in a `MembershipLog`.
    case happened(MembershipEvent)
}
