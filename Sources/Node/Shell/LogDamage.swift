import Raft

/// What is to be said about a log that has lost entries which this node had acknowledged.
public struct LogDamage: Hashable, Sendable {
    /// What was found wrong with the files, where this start found it.
    var finding: String?
    /// The last entry that may be lost.
    var through: UInt64
    var hasOtherVoters: Bool
    var hasLeader: Bool

    /// nil where the log is whole.
    init?(_ raft: RaftCore, finding: String?) {
        guard let through = raft.damagedThrough else { return nil }
        self.finding = finding
        self.through = through
        let membership = raft.membership
        // Without a membership nobody here knows who else there is: a member that was admitted has somebody.
        hasOtherVoters = membership.members.contains { $0 != raft.id && membership.isVoter($0) }
        hasLeader = raft.leader != nil
    }

    /// As a sentence without its full stop.
    var message: String {
        let finding = finding ?? "the log has lost entries that this node had acknowledged"
        guard hasOtherVoters || hasLeader else { return "\(finding); there is no other voter who has what is lost" }
        let repair =
            through == RaftMark.unknownIndex
            ? "a later leader has sent all entries" : "a leader has sent entries up to \(through) again"
        return "\(finding); it neither votes nor leads until \(repair)"
    }

    /// The way out.
    var hint: String {
        guard hasOtherVoters || hasLeader else {
            return "see what is left, and go on from it: stop the daemon, then swarmlet raft recover"
        }
        guard hasLeader else {
            return "start the other voters: swarmlet members. If they are gone for good: stop this daemon, then "
                + "swarmlet raft recover"
        }
        guard through == RaftMark.unknownIndex else {
            return "the leader repairs it; if that takes long, look into the kernel's log for errors of the disk"
        }
        return "it asks the leader to hand over to another voter; if that takes long: swarmlet raft transfer"
    }
}
