import Codec

/// The log of the mesh and who has how much of it.
public struct RaftView: Hashable, Sendable {
    public var term: UInt64
    /// Name of the leader, where one is known.
    public var leader: String?
    /// Everything up to here is decided for good, as far as the asked node knows.
    public var commitIndex: UInt64
    /// The last entry that the asked node has applied.
    public var appliedIndex: UInt64
    /// The last entry that the newest snapshot of the asked node holds.
    public var snapshotIndex: UInt64
    /// What the entries of the log may mean.
    public var level: UInt64
    /// How often this mesh was recovered.
    public var epoch: UInt64
    public var members: [RaftMemberView]
    public var staleMilliseconds: UInt64?

    public init(
        term: UInt64, leader: String?, commitIndex: UInt64, appliedIndex: UInt64, snapshotIndex: UInt64,
        level: UInt64, epoch: UInt64, members: [RaftMemberView], staleMilliseconds: UInt64? = nil
    ) {
        self.term = term
        self.leader = leader
        self.commitIndex = commitIndex
        self.appliedIndex = appliedIndex
        self.snapshotIndex = snapshotIndex
        self.level = level
        self.epoch = epoch
        self.members = members
        self.staleMilliseconds = staleMilliseconds
    }
}

extension RaftView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        term = try map.require(1)
        leader = try map.optional(2)
        commitIndex = try map.require(3)
        appliedIndex = try map.require(4)
        snapshotIndex = try map.require(5)
        level = try map.require(6)
        epoch = try map.require(7)
        members = try map.require(8)
        staleMilliseconds = try map.optional(9)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, term)
        map.set(2, leader)
        map.set(3, commitIndex)
        map.set(4, appliedIndex)
        map.set(5, snapshotIndex)
        map.set(6, level)
        map.set(7, epoch)
        map.set(8, members)
        map.set(9, staleMilliseconds)
        return .map(map)
    }
}
