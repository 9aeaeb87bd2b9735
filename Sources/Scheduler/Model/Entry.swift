import Codec
import Tokens

/// What is written to the log of the mesh: a command, who asked, and when.
public struct Entry: Hashable, Sendable, CBORCodable {
    /// A second entry with the same id gets the same answer and has no effect.
    public var request: RequestID
    /// Nanoseconds since the Unix epoch by the leader; the state never goes back.
    public var time: Int64
    public var command: Command
    /// What the leader places along with a submit, so that one write does for both. Job 0 is the one submitted here.
    public var placements: [Placement]
    /// Who asked for it, as the member says that took the request: `ana@owl`; nil where nobody did, or in older entries.
    public var actor: String?
    /// What that member states of who asks. It travels beside the entry to the leader, which looks at it, and is no part of
    /// the log: what an entry does must not depend on it.
    public var statement: RoleStatement?
    /// Keys of a newer version, kept as they came.
    public var unknown: CBORMap

    public init(
        request: RequestID, time: Int64, command: Command, placements: [Placement] = [], actor: String? = nil,
        unknown: CBORMap = CBORMap()
    ) {
        self.request = request
        self.time = time
        self.command = command
        self.placements = placements
        self.actor = actor
        self.unknown = unknown
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        request = try map.require(1)
        time = try map.require(2)
        command = try map.require(3)
        placements = try map.optional(4) ?? []
        actor = try map.optional(5)
        unknown = map.without(0...6)
    }

    /// From what a member sent to the leader.
    public init(proposed cbor: CBOR) throws(CodecError) {
        try self.init(cbor: cbor)
        statement = try cbor.requireMap().optional(6)
    }

    /// As it travels to the leader. Members that know no statements pass over it.
    public var proposed: CBOR {
        guard let statement, case .map(var map) = cbor else { return cbor }
        map.set(6, statement)
        return .map(map)
    }

    /// The hash of what is asked, and of who asks: of the entry without what the leader adds.
    public var askedDigest: Digest {
        var asked = self
        asked.time = 0
        asked.placements = []
        return BLAKE3.hash(asked.encoded())
    }

    public var cbor: CBOR {
        var map = unknown
        map.set(1, request)
        map.set(2, time)
        map.set(3, command)
        map.set(4, placements.isEmpty ? nil : placements)
        map.set(5, actor)
        return .map(map)
    }
}
