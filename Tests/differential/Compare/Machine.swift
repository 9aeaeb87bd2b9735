import Codec
import Raft

/// One node of a mesh under comparison, of either kind. Its disk is done at once.
protocol Machine: AnyObject {
    var id: NodeID { get }
    /// Does one thing to the node; false where it refused.
    func perform(_ act: Act) throws(ComparisonError) -> (isAccepted: Bool, messages: [Envelope])
    func receive(_ envelope: Envelope) throws(ComparisonError) -> [Envelope]
    /// Tells the sender what became of a message, as the shell around a core would.
    func told(of envelope: Envelope, arrived: Bool) throws(ComparisonError) -> [Envelope]
    func facts() throws(ComparisonError) -> Facts
}

/// What can be done to one node.
enum Act: Hashable {
    /// Its election timer ends.
    case campaign
    /// It has not heard its leader for an election timeout.
    case expire
    /// Its heartbeat timer ends.
    case beat
    /// Half an election timeout passes on a leader.
    case check
    case propose(String)
    case read(UInt64)
    case transfer(to: NodeID)
    case change(Change)
    case unreachable(NodeID)
    /// It takes a snapshot and lets the log before it go.
    case compact
    case restart
}

/// Who shall vote and who shall only listen, from one membership to the next.
struct Change: Hashable {
    var voters: [NodeID]
    var learners: [NodeID]
    var oldVoters: [NodeID]
    var oldLearners: [NodeID]

    var changesVoters: Bool { voters != oldVoters }
}

/// A message of one node to another, in the words of its sender's kind.
struct Envelope {
    enum Message {
        case ours(RaftMessage)
        case etcd(JSON)
    }

    var from: NodeID
    var to: NodeID
    var message: Message
}

/// What a node looks like from outside, in words that both kinds share.
struct Facts: Equatable {
    struct Entry: Hashable, CustomStringConvertible {
        var term: UInt64
        /// Empty, a membership, or a command's text.
        var content: String

        var description: String { "\(term):\(content)" }
    }

    var id: NodeID
    var role: String
    var term: UInt64
    var vote: NodeID?
    var leader: NodeID?
    var commit: UInt64
    /// The log starts behind this index.
    var base: UInt64
    var log: [Entry]
    /// The membership that is committed and applied.
    var voters: [NodeID]
    var outgoing: [NodeID]
    var learners: [NodeID]
    var nextLearners: [NodeID]
    var isTransferring: Bool
    var reads: [UInt64: UInt64]

    var lastIndex: UInt64 { base + UInt64(log.count) }

    /// For a story.
    var brief: String {
        "\(id) \(role) in term \(term), led by \(leader.map { "\($0)" } ?? "nobody"), \(commit) of \(lastIndex) committed"
    }
}
