import Codec

/// Who counts in the quorum and who only receives the log.
///
/// During a joint change (Raft, section 6) `voters` are the new ones and `outgoingVoters` the old ones, and decisions need
/// a majority of both. All lists are sorted, without duplicates; a learner is never a voter of either list.
public struct RaftMembership: Hashable, Sendable {
    public private(set) var voters: [NodeID]
    /// The voters before the change under way; empty when none is.
    public private(set) var outgoingVoters: [NodeID]
    public private(set) var learners: [NodeID]
    /// Outgoing voters that become learners when the joint change ends.
    public private(set) var nextLearners: [NodeID]

    public init(voters: [NodeID] = [], learners: [NodeID] = []) {
        self.init(voters: voters, outgoingVoters: [], learners: learners, nextLearners: [])
    }

    init(voters: [NodeID], outgoingVoters: [NodeID], learners: [NodeID], nextLearners: [NodeID]) {
        self.voters = Self.sorted(voters)
        self.outgoingVoters = Self.sorted(outgoingVoters)
        self.learners = Self.sorted(learners)
        self.nextLearners = Self.sorted(nextLearners)
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

    /// The next membership on the way to `voters` and `learners`: joint where the voters change, final where only learners do.
    ///
    /// Throws `changeInProgress` while joint and `changeInvalid` where the target cannot work.
    public func entering(voters target: [NodeID], learners: [NodeID]) throws(RaftError) -> RaftMembership {
        guard !isJoint else { throw .changeInProgress }
        let target = Self.sorted(target)
        guard !target.isEmpty else { throw .changeInvalid("it would leave no voter") }
        guard target.count <= Self.maximumVoters else {
            throw .changeInvalid("it asks for \(target.count) voters, and \(Self.maximumVoters) is the limit")
        }
        guard !learners.contains(where: target.contains) else {
            throw .changeInvalid("a node cannot be voter and learner at once")
        }
        guard target != voters else { return RaftMembership(voters: voters, learners: learners) }
        return RaftMembership(
            voters: target, outgoingVoters: voters, learners: learners.filter { !voters.contains($0) },
            nextLearners: learners.filter(voters.contains))
    }

    /// The membership that ends a joint change.
    public func leaving() -> RaftMembership {
        RaftMembership(voters: voters, learners: learners + nextLearners)
    }

    /// More voters than this cost more than they protect.
    static let maximumVoters = 9

    private static func sorted(_ nodes: [NodeID]) -> [NodeID] {
        var result: [NodeID] = []
        for node in nodes.sorted() where result.last != node { result.append(node) }
        return result
    }
}
