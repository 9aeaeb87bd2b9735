import Codec

/// What nodes say to each other about their log.
public enum RaftMessage: Hashable, Sendable {
    case voteRequest(VoteRequest)
    case voteResponse(VoteResponse)
    case append(Append)
    case appendResponse(AppendResponse)
    case heartbeat(Heartbeat)
    case heartbeatResponse(HeartbeatResponse)
    indirect case snapshot(Snapshot)
    case snapshotResponse(SnapshotResponse)
    /// The leader hands over: start an election at once.
    case timeoutNow(term: UInt64)

    /// A question whether an election could be won, or an election.
    public enum Ballot: UInt64, Hashable, Sendable {
        case preVote = 0
        case vote = 1
    }

    /// Asks for a vote (Raft, section 5.2 and 5.4.1).
    public struct VoteRequest: Hashable, Sendable {
        /// The candidate's term; one more than its term in a pre-vote.
        public var term: UInt64
        public var ballot: Ballot
        /// True when the leader itself asked for this election, so that voters do not protect it.
        public var isTransfer: Bool
        public var lastIndex: UInt64
        public var lastTerm: UInt64
    }

    /// Answers a vote request.
    public struct VoteResponse: Hashable, Sendable {
        /// The request's term where granted, else the voter's.
        public var term: UInt64
        public var ballot: Ballot
        public var isGranted: Bool
    }

    /// Brings entries, or asks with none whether the logs agree (Raft, section 5.3).
    public struct Append: Hashable, Sendable {
        public var term: UInt64
        public var previousIndex: UInt64
        public var previousTerm: UInt64
        public var entries: [RaftEntry]
        public var commitIndex: UInt64
    }

    /// Answers an append, or any message of a leader whose term is over.
    public struct AppendResponse: Hashable, Sendable {
        public var term: UInt64
        /// `previousIndex` of the append that this answers.
        public var previousIndex: UInt64
        public var outcome: Outcome

        public enum Outcome: Hashable, Sendable {
            /// The log agrees with the leader's, and is durable, up to this index.
            case accepted(matchIndex: UInt64)
            /// The logs differ at `previousIndex`; they may agree at the hint. Where the sender has lost entries that it had
            /// acknowledged, the leader must forget that it ever did.
            case rejected(hintIndex: UInt64, hintTerm: UInt64, hasLostEntries: Bool)
        }
    }

    /// Says that the leader lives and how far it has committed.
    public struct Heartbeat: Hashable, Sendable {
        public var term: UInt64
        /// Never beyond what the receiver is known to hold.
        public var commitIndex: UInt64
        /// Number of the round, to be sent back; 0 asks for no answer.
        public var round: UInt64
    }

    /// Answers a heartbeat.
    public struct HeartbeatResponse: Hashable, Sendable {
        public var term: UInt64
        public var round: UInt64
    }

    /// Brings a piece of a snapshot; one without bytes asks how far the receiver is.
    public struct Snapshot: Hashable, Sendable {
        public var term: UInt64
        public var piece: RaftSnapshotPiece

        public init(term: UInt64, piece: RaftSnapshotPiece) {
            self.term = term
            self.piece = piece
        }
    }

    /// Says how much of a snapshot has arrived.
    public struct SnapshotResponse: Hashable, Sendable {
        public var term: UInt64
        /// Index of the snapshot that this is about.
        public var index: UInt64
        /// The piece to send next.
        public var nextOffset: UInt64
    }

    /// The sender's term as the message carries it.
    public var term: UInt64 {
        switch self {
        case .voteRequest(let message): message.term
        case .voteResponse(let message): message.term
        case .append(let message): message.term
        case .appendResponse(let message): message.term
        case .heartbeat(let message): message.term
        case .heartbeatResponse(let message): message.term
        case .snapshot(let message): message.term
        case .snapshotResponse(let message): message.term
        case .timeoutNow(let term): term
        }
    }

    /// True for what only a leader says.
    var isFromLeader: Bool {
        switch self {
        case .append, .heartbeat, .snapshot: true
        default: false
        }
    }

    /// True for votes, heartbeats and their answers, which must not wait behind entries on the wire.
    public var isControl: Bool {
        switch self {
        case .append, .appendResponse, .snapshot, .snapshotResponse: false
        default: true
        }
    }
}
