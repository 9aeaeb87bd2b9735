import Codec

/// The values of the mesh's own settings, read from their texts.
public struct MeshSettings: Hashable, Sendable {
    /// How long a voter may be dead before it is replaced.
    public var replaceDeadVoterAfter: Interval
    /// How long a node must have been a member that answers before it may vote.
    public var stableAfter: Interval
    /// How many voters are wanted; nil: as many as the nodes allow.
    public var voters: Int?

    public init(
        replaceDeadVoterAfter: Interval = .seconds(60), stableAfter: Interval = .seconds(3), voters: Int? = nil
    ) {
        self.replaceDeadVoterAfter = replaceDeadVoterAfter
        self.stableAfter = stableAfter
        self.voters = voters
    }
}
