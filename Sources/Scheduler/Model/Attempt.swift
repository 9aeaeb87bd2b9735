import Codec

/// One try of a task on one node.
public struct Attempt: Hashable, Sendable, CBORCodable {
    /// From 1.
    public var number: UInt32
    public var node: NodeID
    /// Indices of the devices it holds, ascending.
    public var gpus: [UInt32]
    /// Thousandths of a CPU it holds.
    public var cpuMillis: UInt64
    /// Memory it holds, decided at placement.
    public var memoryBytes: UInt64
    /// Nanoseconds since the Unix epoch.
    public var placedAt: Int64
    /// When its process started, by the clock of its node.
    public var startedAt: Int64?
    /// When it ended, by the clock of its node; by the leader for a lost one.
    public var endedAt: Int64?
    /// Nil while it lives.
    public var outcome: Outcome?
    /// The checkpoint it was given.
    public var resumedFrom: UInt64?
    /// Its turn among those that wait on the node for the room of an attempt of their job; nil: it has room of its own.
    public var turn: UInt64?
    /// What it used; nil while it lives, and where nobody could tell.
    public var usage: AttemptUsage? {
        get { sharedUsage?.value }
        set { sharedUsage = newValue.map { Shared($0) } }
    }
    /// What became of its setup; nil where it has none, and until that has ended.
    public var setup: AttemptSetup? {
        get { sharedSetup?.value }
        set { sharedSetup = newValue.map { Shared($0) } }
    }
    /// Most attempts have none: pointers instead of room for them in every record.
    private var sharedUsage: Shared<AttemptUsage>?
    private var sharedSetup: Shared<AttemptSetup>?

    public init(
        number: UInt32, node: NodeID, gpus: [UInt32] = [], cpuMillis: UInt64, memoryBytes: UInt64, placedAt: Int64,
        startedAt: Int64? = nil, endedAt: Int64? = nil, outcome: Outcome? = nil, resumedFrom: UInt64? = nil,
        turn: UInt64? = nil, usage: AttemptUsage? = nil, setup: AttemptSetup? = nil
    ) {
        self.number = number
        self.node = node
        self.gpus = gpus
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.placedAt = placedAt
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.outcome = outcome
        self.resumedFrom = resumedFrom
        self.turn = turn
        sharedUsage = usage.map { Shared($0) }
        sharedSetup = setup.map { Shared($0) }
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        number = try map.require(1)
        node = try map.require(2)
        gpus = try map.optional(3) ?? []
        cpuMillis = try map.require(4)
        memoryBytes = try map.require(5)
        placedAt = try map.require(6)
        startedAt = try map.optional(7)
        endedAt = try map.optional(8)
        outcome = try map.optional(9)
        resumedFrom = try map.optional(10)
        turn = try map.optional(11)
        sharedUsage = try map.optional(12, AttemptUsage.self).map { Shared($0) }
        sharedSetup = try map.optional(13, AttemptSetup.self).map { Shared($0) }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, number)
        map.set(2, node)
        map.set(3, gpus)
        map.set(4, cpuMillis)
        map.set(5, memoryBytes)
        map.set(6, placedAt)
        map.set(7, startedAt)
        map.set(8, endedAt)
        map.set(9, outcome)
        map.set(10, resumedFrom)
        map.set(11, turn)
        map.set(12, usage)
        map.set(13, setup)
        return .map(map)
    }
}
