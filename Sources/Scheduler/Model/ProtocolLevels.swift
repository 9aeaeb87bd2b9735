import Codec

/// The levels of the protocol that a program speaks. A mesh is at one level; entries of the log mean what it says.
///
/// A new meaning of an entry gets the next level. It is used only once an entry has raised the mesh to it, which the
/// leader proposes when every voter, and every member that is there, speaks it.
public struct ProtocolLevels: Hashable, Sendable, CBORCodable {
    public var lowest: UInt64
    public var highest: UInt64

    /// What this program speaks. Level 2: a job may say how it is kept apart from its host, a host what keeps jobs from its
    /// devices, and gossip is signed. Level 3: a job can be paused, the end of an attempt says what it used, and the tasks of
    /// a job may have to start together. Level 4: tokens for people outside the mesh; an attempt says what became of its setup
    /// and what it used of its devices, and a job may bring a root of its own, and be another user in its sandbox;
    /// a job may read what its submitter gives it. Level 5: a node may say that its daemon will be away,
    /// and the ranks of a gang that has to move are told together. Level 6: the state has the tree of a log of what happened,
    /// what a token may have at once is bounded, and a mesh may want to have issued each token itself. Level 7: the
    /// certificates of members have an end, and so have issuers; the key of a node and that of an issuer can be rotated, and
    /// the tasks of a job may hold the processes of an MPI program; a member states, signed, what the person may do who asks.
    /// Level 8: a program that takes the place of another one is signed by the host at which an administrator asked for
    /// it, a recovery makes void the invitations of before, the session key of a revoked host is refused with any identity,
    /// and of an issued token the holder, the time of signing and the epoch are kept. Level 9: the log of what happened says
    /// where the nodes' own logs end.
    public static let current = ProtocolLevels(lowest: 1, highest: 9)

    public init(lowest: UInt64, highest: UInt64) {
        self.lowest = lowest
        self.highest = highest
    }

    /// From `1-2`, or `1`.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let first = UInt64(parts[0]), let last = UInt64(parts[parts.count - 1]),
            first >= 1, first <= last
        else { return nil }
        self.init(lowest: first, highest: last)
    }

    public func contains(_ level: UInt64) -> Bool { lowest <= level && level <= highest }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        lowest = try map.require(1)
        highest = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, lowest)
        map.set(2, highest)
        return .map(map)
    }
}
