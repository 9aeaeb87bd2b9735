import Codec

/// One step of a core, told in the words of the TLA+ specification of etcd's Raft (its `Traceetcdraft.tla`), so that tools
/// for that specification can follow what this core does.
public struct RaftTraceEvent: Hashable, Sendable {
    public enum Name: String, Hashable, Sendable, CaseIterable {
        case initState = "InitState"
        case becomeFollower = "BecomeFollower"
        case becomeCandidate = "BecomeCandidate"
        case becomeLeader = "BecomeLeader"
        case commit = "Commit"
        case replicate = "Replicate"
        case changeConfiguration = "ChangeConf"
        case applyConfigurationChange = "ApplyConfChange"
        case ready = "Ready"
        case sendAppendRequest = "SendAppendEntriesRequest"
        case receiveAppendRequest = "ReceiveAppendEntriesRequest"
        case sendAppendResponse = "SendAppendEntriesResponse"
        case receiveAppendResponse = "ReceiveAppendEntriesResponse"
        case sendVoteRequest = "SendRequestVoteRequest"
        case receiveVoteRequest = "ReceiveRequestVoteRequest"
        case sendVoteResponse = "SendRequestVoteResponse"
        case receiveVoteResponse = "ReceiveRequestVoteResponse"
        case sendSnapshot = "SendSnapshot"
        case receiveSnapshot = "ReceiveSnapshot"
    }

    /// A message as the specification sees it.
    public struct Message: Hashable, Sendable {
        /// etcd's name of its kind.
        public var type: String
        public var from: NodeID
        public var to: NodeID
        public var term: UInt64
        /// Index and term of the entry before, or of the last one; the acknowledged index.
        public var index: UInt64 = 0
        public var logTerm: UInt64 = 0
        /// Number of entries; of a snapshot, its index.
        public var entries: UInt64 = 0
        public var commit: UInt64 = 0
        public var isRejected = false
        public var rejectHint: UInt64 = 0
    }

    public var name: Name
    public var node: NodeID
    /// The node's state: of what it receives, before; of everything else, after.
    public var term: UInt64
    public var vote: NodeID?
    public var commitIndex: UInt64
    public var role: RaftRole
    public var lastIndex: UInt64
    public var lastTerm: UInt64
    public var membership: RaftMembership
    public var message: Message?

    /// The event as one line of JSON, shaped as etcd's trace logger writes it. `last` in `prop` is the term of the last
    /// entry, which etcd's leaves out.
    public var line: String {
        var text = "{\"tag\":\"trace\",\"event\":{\"name\":\"\(name.rawValue)\",\"nid\":\"\(node.rawValue)\""
        text += ",\"state\":{\"term\":\(term),\"vote\":\"\(vote?.rawValue ?? 0)\",\"commit\":\(commitIndex)}"
        text += ",\"role\":\"\(Self.name(of: role))\",\"log\":\(lastIndex)"
        text += ",\"conf\":[\(Self.list(membership.voters)),\(Self.list(membership.outgoingVoters))]"
        if let message { text += ",\"msg\":\(message.text)" }
        text += ",\"prop\":{\"last\":\(lastTerm)"
        if name == .changeConfiguration || name == .applyConfigurationChange {
            text += ",\"cc\":{\"newconf\":\(Self.list(membership.voters))}"
        }
        return text + "}}}"
    }

    private static func list(_ nodes: [NodeID]) -> String {
        "[" + nodes.map { "\"\($0.rawValue)\"" }.joined(separator: ",") + "]"
    }

    private static func name(of role: RaftRole) -> String {
        switch role {
        // Pre-votes are left out.
        case .follower, .preCandidate: "StateFollower"
        case .candidate: "StateCandidate"
        case .leader: "StateLeader"
        }
    }
}

extension RaftTraceEvent.Message {
    fileprivate var text: String {
        "{\"type\":\"\(type)\",\"term\":\(term),\"from\":\"\(from.rawValue)\",\"to\":\"\(to.rawValue)\""
            + ",\"entries\":\(entries),\"logTerm\":\(logTerm),\"index\":\(index),\"commit\":\(commit),\"vote\":\"0\""
            + ",\"reject\":\(isRejected),\"rejectHint\":\(rejectHint)}"
    }

    /// Nil for what the specification does not know: pre-votes, transfers, and all but the first piece of a snapshot.
    init?(_ message: RaftMessage, from: NodeID, to: NodeID) {
        self.init(type: "", from: from, to: to, term: message.term)
        switch message {
        case .voteRequest(let request):
            guard request.ballot == .vote else { return nil }
            (type, index, logTerm) = ("MsgVote", request.lastIndex, request.lastTerm)
        case .voteResponse(let response):
            guard response.ballot == .vote else { return nil }
            (type, isRejected) = ("MsgVoteResp", !response.isGranted)
        case .append(let append):
            (type, index, logTerm) = ("MsgApp", append.previousIndex, append.previousTerm)
            entries = UInt64(append.entries.count)
            // The receiver commits no further, and the specification's messages say no more.
            commit = min(append.commitIndex, append.previousIndex + entries)
        case .appendResponse(let response):
            type = "MsgAppResp"
            switch response.outcome {
            case .accepted(let matchIndex): index = matchIndex
            case .rejected(let hintIndex, let hintTerm, _):
                (isRejected, index) = (true, response.previousIndex)
                (rejectHint, logTerm) = (hintIndex, hintTerm)
            }
        case .heartbeat(let heartbeat): (type, commit) = ("MsgHeartbeat", heartbeat.commitIndex)
        case .heartbeatResponse: type = "MsgHeartbeatResp"
        case .snapshot(let snapshot):
            guard snapshot.piece.offset == 0 else { return nil }
            (type, entries) = ("MsgSnap", snapshot.piece.snapshot.index)
        case .snapshotResponse, .timeoutNow: return nil
        }
    }
}
