import Codec

/// One line of `raft ls`.
public struct RaftMemberView: Hashable, Sendable {
    public var name: String
    public var shortID: String
    /// leader, voter or learner.
    public var raft: String
    /// The last committed entry that is durable there; nil where nobody knows.
    public var committed: UInt64?
    /// Entries that the leader has and it has not; nil where nobody knows.
    public var behind: UInt64?
    /// Since the leader heard it; nil: the leader itself, or not known.
    public var heardMilliseconds: UInt64?
    /// ok, silent, catching up, snapshot, damaged, joining or leaving.
    public var state: String

    public init(
        name: String, shortID: String, raft: String, committed: UInt64? = nil, behind: UInt64? = nil,
        heardMilliseconds: UInt64? = nil, state: String
    ) {
        self.name = name
        self.shortID = shortID
        self.raft = raft
        self.committed = committed
        self.behind = behind
        self.heardMilliseconds = heardMilliseconds
        self.state = state
    }
}

extension RaftMemberView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        name = try map.require(1)
        shortID = try map.require(2)
        raft = try map.require(3)
        committed = try map.optional(4)
        behind = try map.optional(5)
        heardMilliseconds = try map.optional(6)
        state = try map.require(7)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, name)
        map.set(2, shortID)
        map.set(3, raft)
        map.set(4, committed)
        map.set(5, behind)
        map.set(6, heardMilliseconds)
        map.set(7, state)
        return .map(map)
    }
}
