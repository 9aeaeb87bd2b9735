import Codec
import Raft
import Scheduler

/// When the mesh may speak the next level of its protocol.
enum LevelPlan {
    /// The level to raise the mesh to; nil where it stays as it is. All voters must speak it, dead ones too, because they
    /// come back, and every other member that is there: one that is lost is refused when it comes back too old.
    static func next(_ state: SchedulerState, voters membership: RaftMembership) -> UInt64? {
        var highest: UInt64?
        for member in state.members where membership.isVoter(member.id) || member.presence == .present {
            highest = min(highest ?? .max, member.levels.highest)
        }
        guard let highest, highest > state.level else { return nil }
        return highest
    }
}
