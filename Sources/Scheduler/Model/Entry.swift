import Codec

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
        unknown = map.without(0...5)
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
