import Codec

/// Who counts in the quorum and who only receives the log.
///
/// During a joint change (Raft, section 6) `voters` are the new ones and `outgoingVoters` the old ones, and decisions need
/// a majority of both. All lists are sorted, without duplicates; a learner is never a voter of either list, and who is in
/// `nextLearners` is an outgoing voter. How one follows from another: `RaftMembership-changes.swift`.
public struct RaftMembership: Hashable, Sendable {
    public internal(set) var voters: [NodeID]
    /// The voters before the change under way; empty when none is.
    public internal(set) var outgoingVoters: [NodeID]
    public internal(set) var learners: [NodeID]
    /// Outgoing voters that become learners when the joint change ends.
    public internal(set) var nextLearners: [NodeID]
    /// True where a joint change ends only when asked to, instead of by itself as soon as it is committed.
    public internal(set) var staysJoint = false

    public init(voters: [NodeID] = [], learners: [NodeID] = []) {
        self.init(voters: voters, outgoingVoters: [], learners: learners, nextLearners: [], staysJoint: false)
    }

    init(
        voters: [NodeID], outgoingVoters: [NodeID], learners: [NodeID], nextLearners: [NodeID], staysJoint: Bool
    ) {
        self.voters = Self.sorted(voters)
        self.outgoingVoters = Self.sorted(outgoingVoters)
        self.learners = Self.sorted(learners)
        self.nextLearners = Self.sorted(nextLearners)
        self.staysJoint = staysJoint
    }

    /// True while two sets of voters must agree.
    public var isJoint: Bool { !outgoingVoters.isEmpty }
    public var isEmpty: Bool { voters.isEmpty && learners.isEmpty }
    /// Everyone that receives the log, sorted.
    public var members: [NodeID] { Self.sorted(voters + outgoingVoters + learners + nextLearners) }
    var memberCount: Int { voters.count + outgoingVoters.count + learners.count + nextLearners.count }

    /// True where `node` is a voter of either set.
    public func isVoter(_ node: NodeID) -> Bool { voters.contains(node) || outgoingVoters.contains(node) }
    public func isMember(_ node: NodeID) -> Bool {
        isVoter(node) || learners.contains(node) || nextLearners.contains(node)
    }

    static func sorted(_ nodes: [NodeID]) -> [NodeID] {
        var result: [NodeID] = []
        for node in nodes.sorted() where result.last != node { result.append(node) }
        return result
    }
}
