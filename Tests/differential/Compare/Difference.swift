import Codec

/// Two nodes that should look the same and do not.
struct Difference: CustomStringConvertible {
    var node: NodeID
    var what: String
    var ours: String
    var theirs: String

    var description: String { "\(node) \(what): ours \(ours), etcd \(theirs)" }

    /// Everything that the two must agree on after each settled step. `isCalm`: nothing is cut and all have heard the
    /// leader, so memberships and commit indexes are the same too.
    static func between(_ ours: [Facts], _ theirs: [Facts], isCalm: Bool, isMixed: Bool) -> [Difference] {
        var found: [Difference] = []
        for (our, their) in zip(ours, theirs) {
            func compare<Value: Equatable>(_ what: String, _ left: Value, _ right: Value) {
                guard left != right else { return }
                found.append(Difference(node: our.id, what: what, ours: "\(left)", theirs: "\(right)"))
            }
            compare("number", our.id, their.id)
            compare("role", our.role, their.role)
            compare("term", our.term, their.term)
            compare("vote", our.vote, their.vote)
            compare("leader", our.leader, their.leader)
            compare("last index", our.lastIndex, their.lastIndex)
            let base = max(our.base, their.base)
            compare("log", our.tail(after: base), their.tail(after: base))
            compare("reads", our.reads, their.reads)
            // A follower of ours may be told later, by the next heartbeat; see docs/raft.md.
            let mayLag = our.role != "leader" && (isMixed || our.commit < their.commit)
            if isCalm || !mayLag { compare("commit", our.commit, their.commit) }
            compare("transferring", our.isTransferring, their.isTransferring)
            guard isCalm else { continue }
            compare("voters", our.voters, their.voters)
            compare("outgoing voters", our.outgoing, their.outgoing)
            compare("learners", our.learners, their.learners)
            compare("next learners", our.nextLearners, their.nextLearners)
        }
        return found
    }
}

extension Facts {
    func tail(after index: UInt64) -> [Entry] {
        index >= base ? Array(log.dropFirst(Int(min(index - base, UInt64(log.count))))) : log
    }
}
