import Codec
import Scheduler

/// What a job would come to that was submitted now.
public struct PlanView: Hashable, Sendable {
    /// Where its first tasks would begin at once, in their order.
    public struct Place: Hashable, Sendable {
        public var node: String
        /// As people read them: `GPU 0 (RTX 4090 24 GiB)`, simulated ones labelled.
        public var gpus: [String]

        public init(node: String, gpus: [String]) {
            self.node = node
            self.gpus = gpus
        }
    }

    /// The job as it would be, with all that is set for whoever asks.
    public var spec: JobSpec
    public var places: [Place]
    /// Tasks that would wait.
    public var waiting: UInt32
    /// Why, and what would let the first of them begin.
    public var reason: String?
    public var startsWhen: String?
    /// Of a guest: how many jobs his token starts before this one; nil where it has no number.
    public var left: UInt64?

    public init(
        spec: JobSpec, places: [Place], waiting: UInt32, reason: String? = nil, startsWhen: String? = nil,
        left: UInt64? = nil
    ) {
        self.spec = spec
        self.places = places
        self.waiting = waiting
        self.reason = reason
        self.startsWhen = startsWhen
        self.left = left
    }
}

extension PlanView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        places = try map.require(1)
        waiting = try map.require(2)
        reason = try map.optional(3)
        startsWhen = try map.optional(4)
        left = try map.optional(5)
        spec = try map.require(6)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, places)
        map.set(2, waiting)
        map.set(3, reason)
        map.set(4, startsWhen)
        map.set(5, left)
        map.set(6, spec)
        return .map(map)
    }
}

extension PlanView.Place: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        gpus = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, gpus)
        return .map(map)
    }
}
