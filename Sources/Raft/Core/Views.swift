import Codec

/// What others may know about a core.
extension RaftCore {
    /// The membership in force.
    public var membership: RaftMembership { memberships.latest }
    /// The last entry of the log, committed or not.
    public var lastIndex: UInt64 { log.lastIndex }
    public var snapshotIndex: UInt64 { log.snapshotIndex }
    /// The snapshot that stands for the beginning of the log, if there is one.
    public var snapshot: RaftSnapshot? { log.snapshot }
    /// True while acknowledged entries are missing here; see `RaftRestored.isDamaged`.
    public var isDamaged: Bool { damage != nil }
    /// The last entry that this node may have acknowledged and lost; `RaftMark.unknownIndex` where nobody knows.
    public var damagedThrough: UInt64? { damage?.index }
    /// True where this node leads and has committed an entry of its term: reads and membership changes are possible.
    public var isReadyLeader: Bool { role == .leader && commitIndex >= firstIndexOfTerm }
    /// The node that the leadership is being handed to.
    public var transferTarget: NodeID? { transfer?.target }
    /// True while a membership change is not finished.
    public var isChangingMembership: Bool { membership.isJoint || memberships.latestIndex > commitIndex }
    /// How far the other members are, where this node leads.
    public var progress: [RaftPeerProgress] {
        peers.map { peer in
            RaftPeerProgress(
                id: peer.id, isVoter: membership.isVoter(peer.id), matchIndex: peer.match, phase: peer.publicPhase,
                behind: log.lastIndex - peer.match, heardAt: peer.heardAt)
        }
    }

    /// When `timer` is next needed; nil where only an input of another kind can change anything.
    public var nextDeadline: Instant? {
        guard !isStopped else { return nil }
        if commitIndex > appliedIndex || isHardStateUnwritten && disk.isIdle { return now }
        if role == .leader { return heartbeatDeadline }
        return maySeekElection ? electionDeadline : nil
    }
}
