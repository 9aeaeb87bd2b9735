import Codec

/// The values of the mesh's own settings, read from their texts.
public struct MeshSettings: Hashable, Sendable {
    /// How long a voter may be dead before it is replaced.
    public var replaceDeadVoterAfter: Interval
    /// How long a node must have been a member that answers before it may vote.
    public var stableAfter: Interval
    /// How many voters are wanted; nil: as many as the nodes allow.
    public var voters: Int?
    /// How long a host may be dead before people are told.
    public var noticeInactiveAfter: Interval
    /// How long a host may be dead before it is removed; nil: for ever.
    public var removeInactiveAfter: Interval?

    public init(
        replaceDeadVoterAfter: Interval = .seconds(60), stableAfter: Interval = .seconds(3), voters: Int? = nil,
        noticeInactiveAfter: Interval = .seconds(86_400), removeInactiveAfter: Interval? = nil
    ) {
        self.noticeInactiveAfter = noticeInactiveAfter
        self.removeInactiveAfter = removeInactiveAfter
        self.replaceDeadVoterAfter = replaceDeadVoterAfter
        self.stableAfter = stableAfter
        self.voters = voters
    }
}
