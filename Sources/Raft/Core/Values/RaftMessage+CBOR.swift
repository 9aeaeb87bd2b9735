import Codec

/// Map with 0 the kind, 1 the term, and from 2 the fields in the order in which `RaftMessage` declares them.
extension RaftMessage: CBORCodable {
    private enum Kind: UInt64 {
        case voteRequest = 1
        case voteResponse, append, appendResponse, heartbeat, heartbeatResponse, snapshot, snapshotResponse, timeoutNow
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let number: UInt64 = try map.require(0)
        guard let kind = Kind(rawValue: number) else { throw .invalid("an unknown Raft message kind \(number)") }
        let term: UInt64 = try map.require(1)
        // Terms and indexes count up from small numbers; a sum near 2^64 would be an attack on the arithmetic.
        guard term < 1 << 62 else { throw .invalid("a term beyond 2^62") }
        switch kind {
        case .voteRequest: self = .voteRequest(try VoteRequest(map))
        case .voteResponse: self = .voteResponse(try VoteResponse(map))
        case .append: self = .append(try Append(map))
        case .appendResponse: self = .appendResponse(try AppendResponse(map))
        case .heartbeat:
            self = .heartbeat(
                Heartbeat(term: term, commitIndex: try map.require(2), round: try map.require(3)))
        case .heartbeatResponse:
            self = .heartbeatResponse(HeartbeatResponse(term: term, round: try map.require(2)))
        case .snapshot: self = .snapshot(Snapshot(term: term, piece: try RaftSnapshotPiece(map)))
        case .snapshotResponse:
            self = .snapshotResponse(
                SnapshotResponse(term: term, index: try map.require(2), nextOffset: try map.require(3)))
        case .timeoutNow: self = .timeoutNow(term: term)
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        switch self {
        case .voteRequest(let message):
            map.start(Kind.voteRequest.rawValue, message.term)
            map.set(2, message.ballot.rawValue)
            map.set(3, message.isTransfer)
            map.set(4, message.lastIndex)
            map.set(5, message.lastTerm)
        case .voteResponse(let message):
            map.start(Kind.voteResponse.rawValue, message.term)
            map.set(2, message.ballot.rawValue)
            map.set(3, message.isGranted)
        case .append(let message):
            map.start(Kind.append.rawValue, message.term)
            map.set(2, message.previousIndex)
            map.set(3, message.previousTerm)
            map[4] = .array(message.entries.map(\.wireForm))
            map.set(5, message.commitIndex)
        case .appendResponse(let message):
            map.start(Kind.appendResponse.rawValue, message.term)
            map.set(2, message.previousIndex)
            switch message.outcome {
            case .accepted(let matchIndex): map.set(3, matchIndex)
            case .rejected(let hintIndex, let hintTerm, let hasLostEntries):
                map.set(4, hintIndex)
                map.set(5, hintTerm)
                map.set(6, hasLostEntries)
            }
        case .heartbeat(let message):
            map.start(Kind.heartbeat.rawValue, message.term)
            map.set(2, message.commitIndex)
            map.set(3, message.round)
        case .heartbeatResponse(let message):
            map.start(Kind.heartbeatResponse.rawValue, message.term)
            map.set(2, message.round)
        case .snapshot(let message):
            map.start(Kind.snapshot.rawValue, message.term)
            let snapshot = message.piece.snapshot
            map.set(2, snapshot.index)
            map.set(3, snapshot.term)
            map.set(4, snapshot.membership)
            map.set(5, message.piece.offset)
            map.set(6, snapshot.byteCount)
            map.setBytes(7, message.piece.data)
            map.set(8, snapshot.digest)
            map.set(9, message.piece.digest)
        case .snapshotResponse(let message):
            map.start(Kind.snapshotResponse.rawValue, message.term)
            map.set(2, message.index)
            map.set(3, message.nextOffset)
        case .timeoutNow(let term):
            map.start(Kind.timeoutNow.rawValue, term)
        }
        return .map(map)
    }
}

extension CBORMap {
    fileprivate mutating func start(_ kind: UInt64, _ term: UInt64) {
        set(0, kind)
        set(1, term)
    }
}

extension RaftMessage.Ballot {
    fileprivate init(_ map: CBORMap) throws(CodecError) {
        let number: UInt64 = try map.require(2)
        guard let ballot = RaftMessage.Ballot(rawValue: number) else { throw .invalid("an unknown ballot \(number)") }
        self = ballot
    }
}

extension RaftMessage.VoteRequest {
    fileprivate init(_ map: CBORMap) throws(CodecError) {
        self.init(
            term: try map.require(1), ballot: try RaftMessage.Ballot(map), isTransfer: try map.require(3),
            lastIndex: try map.require(4), lastTerm: try map.require(5))
    }
}

extension RaftMessage.VoteResponse {
    fileprivate init(_ map: CBORMap) throws(CodecError) {
        self.init(term: try map.require(1), ballot: try RaftMessage.Ballot(map), isGranted: try map.require(3))
    }
}

extension RaftMessage.Append {
    fileprivate init(_ map: CBORMap) throws(CodecError) {
        let previousIndex: UInt64 = try map.require(2)
        let forms: [CBOR] = try map.require(4)
        guard previousIndex < 1 << 62 else { throw .invalid("a log index beyond 2^62") }
        var entries: [RaftEntry] = []
        entries.reserveCapacity(forms.count)
        for form in forms {
            entries.append(try RaftEntry(index: previousIndex + UInt64(entries.count) + 1, wireForm: form))
        }
        self.init(
            term: try map.require(1), previousIndex: previousIndex, previousTerm: try map.require(3), entries: entries,
            commitIndex: try map.require(5))
    }
}

extension RaftMessage.AppendResponse {
    fileprivate init(_ map: CBORMap) throws(CodecError) {
        let outcome: Outcome
        if let matchIndex: UInt64 = try map.optional(3) {
            outcome = .accepted(matchIndex: matchIndex)
        } else {
            outcome = .rejected(
                hintIndex: try map.require(4), hintTerm: try map.require(5), hasLostEntries: try map.require(6))
        }
        self.init(term: try map.require(1), previousIndex: try map.require(2), outcome: outcome)
    }
}

extension RaftSnapshotPiece {
    fileprivate init(_ map: CBORMap) throws(CodecError) {
        let snapshot = RaftSnapshot(
            index: try map.require(2), term: try map.require(3), membership: try map.require(4),
            byteCount: try map.require(6), digest: try map.require(8))
        self.init(
            snapshot: snapshot, offset: try map.require(5), data: try map.requireBytes(7), digest: try map.require(9))
        guard offset <= snapshot.byteCount, UInt64(data.count) <= snapshot.byteCount - offset,
            snapshot.byteCount < 1 << 62, snapshot.index < 1 << 62
        else { throw .invalid("a snapshot piece outside its snapshot") }
    }
}
