/// Why a membership cannot follow from another.
public enum RaftMembershipRefusal: Hashable, Sendable {
    case alreadyJoint
    case notJoint
    /// The change of one voter without a joint membership is for memberships that are not joint.
    case simpleWhileJoint
    case noVoterBefore
    case noVoterAfter
    case severalVotersAtOnce
    case tooManyVoters(count: Int, limit: Int)
    case voterAndLearner

    /// The reason as half a sentence.
    public var reason: String {
        switch self {
        case .alreadyJoint: "a joint change is under way already"
        case .notJoint: "no joint change is under way"
        case .simpleWhileJoint: "a joint change has to end first"
        case .noVoterBefore: "there is no voter that could agree to it"
        case .noVoterAfter: "it would leave no voter"
        case .severalVotersAtOnce: "more than one voter changes, which needs a joint change"
        case .tooManyVoters(let count, let limit): "it asks for \(count) voters, and \(limit) is the limit"
        case .voterAndLearner: "a node cannot be voter and learner at once"
        }
    }
}
