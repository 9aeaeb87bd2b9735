/// One entry of the replicated log.
public struct RaftEntry: Hashable, Sendable {
    /// What an entry says.
    public enum Payload: Hashable, Sendable {
        /// Nothing: the first entry of each leader.
        case empty
        /// Bytes of the replicated state's own, opaque to Raft.
        case command([UInt8])
        /// The membership in force from this entry on.
        indirect case membership(RaftMembership)
    }

    /// Place in the log, counted from 1.
    public var index: UInt64
    /// Term of the leader that made it.
    public var term: UInt64
    public var payload: Payload

    public init(index: UInt64, term: UInt64, payload: Payload) {
        self.index = index
        self.term = term
        self.payload = payload
    }

    /// The command's bytes, nil for entries that are Raft's own.
    public var command: [UInt8]? {
        guard case .command(let bytes) = payload else { return nil }
        return bytes
    }

    /// What the entry counts against the bounds: its bytes plus what surrounds them.
    var weight: Int {
        switch payload {
        case .empty: 16
        case .command(let bytes): bytes.count + 16
        case .membership(let membership): membership.memberCount * 8 + 32
        }
    }
}
