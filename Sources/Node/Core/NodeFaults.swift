/// Mistakes with leases, attempts and proposals that the simulator switches on to prove that it would find them.
///
/// Nothing outside the simulator can reach this type.
@_spi(Simulation) public struct NodeFaults: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The leader replaces as soon as the lease is over, without the margin for drift and for the freezing.
    public static let replaceWithoutMargin = NodeFaults(rawValue: 1 << 0)
    /// A new leader takes those it has not heard yet for silent since ever.
    public static let newLeaderForgetsLeases = NodeFaults(rawValue: 1 << 1)
    /// The leader grants leases without asking whether it still leads.
    public static let grantWithoutConfirmation = NodeFaults(rawValue: 1 << 2)
    /// The leader grants a lease to a node whose loss it has proposed.
    public static let grantToCondemned = NodeFaults(rawValue: 1 << 3)
    /// A node counts its lease from the grant's arrival instead of from the renewal it sent.
    public static let leaseFromArrival = NodeFaults(rawValue: 1 << 4)
    /// A node takes a lease before it has applied what the leader had.
    public static let leaseBeforeApplied = NodeFaults(rawValue: 1 << 5)
    /// The lease page of a job moves on although a replaced attempt of it is not gone yet.
    public static let thawReplaced = NodeFaults(rawValue: 1 << 6)
    /// A new daemon does not ask what outlived the last one.
    public static let forgetSupervisors = NodeFaults(rawValue: 1 << 7)
    /// A proposal that is asked again gets a new request id.
    public static let newRequestOnRetry = NodeFaults(rawValue: 1 << 8)
    /// Reports are forgotten when they are sent, not when they are applied.
    public static let forgetReportsOnSend = NodeFaults(rawValue: 1 << 9)
    /// What waits for room of its job begins without it.
    public static let beginWithoutRoom = NodeFaults(rawValue: 1 << 11)
    /// The leader answers reads without asking whether it still leads.
    public static let readWithoutConfirmation = NodeFaults(rawValue: 1 << 10)
    /// A rank of a gang goes on although another one has ended.
    public static let rankOutlivesGang = NodeFaults(rawValue: 1 << 13)
}
