import Codec

/// What can happen to a `SwimCore`.
public enum SwimInput: Hashable, Sendable {
    /// Time has passed: give it when `nextDeadline` is reached; too early or too late does no harm.
    case timer
    /// A message whose sender the session has proven.
    case received(from: NodeID, SwimMessage)
    /// All members of the mesh, from the replicated membership; this node itself may be among them.
    case members([NodeID])
    /// The session to this member broke: a reason to look at once, not a verdict.
    case unreachable(NodeID)
    /// What this node says of itself from now on, at most `SwimConstants.factBytesMax`.
    case facts([UInt8])
    /// This node goes on purpose: say goodbye.
    case leave
}

/// What a `SwimCore` asks its shell to do.
public enum SwimEffect: Hashable, Sendable {
    /// Send this if a session is there, else drop it.
    case send(NodeID, SwimMessage)
    /// A member is seen in another state, or in a new life, than before.
    case changed(NodeID, MemberState, incarnation: UInt64)
}
