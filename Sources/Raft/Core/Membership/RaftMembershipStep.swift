import Codec

/// One thing that a change of the membership asks for. It may hold already; then nothing happens.
public enum RaftMembershipStep: Hashable, Sendable {
    case voter(NodeID)
    case learner(NodeID)
    case removed(NodeID)
}
