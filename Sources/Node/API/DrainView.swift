import Codec
import Scheduler

/// How far a node is with giving its work away.
public struct DrainView: Hashable, Sendable {
    /// What becomes of one attempt.
    public enum Fate: UInt64, Hashable, Sendable, CBORCodable {
        /// It is asked to end and goes on elsewhere.
        case moves = 0
        /// It may come to its end, until the deadline.
        case ends = 1
        /// It must never be repeated and so comes to its end, whenever that is.
        case stays = 2

        public init(cbor: CBOR) throws(CodecError) {
            let value = try UInt64(cbor: cbor)
            guard let fate = Fate(rawValue: value) else { throw .invalid("fate \(value) is not known to this version") }
            self = fate
        }

        public var cbor: CBOR { .unsigned(rawValue) }
    }

    public struct Work: Hashable, Sendable {
        public var job: JobID
        /// nil: the job is no array.
        public var task: UInt32?
        public var fate: Fate
        /// Where it would go on now.
        public var target: String?
        /// Of the newest checkpoint.
        public var checkpointBytes: UInt64?
        /// Until its time limit.
        public var endsInMilliseconds: UInt64?
    }

    public var node: String
    public var work: [Work]
    /// It still votes, and nobody can take its seat.
    public var keepsSeat: Bool
    public var isOver: Bool
    /// Since the order.
    public var milliseconds: UInt64

    public init(node: String, work: [Work], keepsSeat: Bool, isOver: Bool, milliseconds: UInt64) {
        self.node = node
        self.work = work
        self.keepsSeat = keepsSeat
        self.isOver = isOver
        self.milliseconds = milliseconds
    }
}

extension DrainView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        work = try map.require(2)
        keepsSeat = try map.require(3)
        isOver = try map.require(4)
        milliseconds = try map.require(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, work)
        map.set(3, keepsSeat)
        map.set(4, isOver)
        map.set(5, milliseconds)
        return .map(map)
    }
}

extension DrainView.Work: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        task = try map.optional(2)
        fate = try map.require(3)
        target = try map.optional(4)
        checkpointBytes = try map.optional(5)
        endsInMilliseconds = try map.optional(6)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, task)
        map.set(3, fate)
        map.set(4, target)
        map.set(5, checkpointBytes)
        map.set(6, endsInMilliseconds)
        return .map(map)
    }
}
