import Codec
import Scheduler

/// Why a job has not begun.
public struct ExplainView: Hashable, Sendable {
    public struct Row: Hashable, Sendable {
        public var node: String
        public var gpus: UInt32
        /// nil: nobody knows.
        public var freeGPUs: UInt32?
        public var reason: String
    }

    public var job: JobID
    /// In words, of a job that does not wait; else nil.
    public var state: String?
    public var rows: [Row]
    public var startsWhen: String?
    public var startsNow: String?

    init(job: JobID, state: String? = nil, _ found: Explanation? = nil, name: (NodeID) -> String) {
        self.job = job
        self.state = state
        rows = (found?.rows ?? []).map {
            Row(node: name($0.node), gpus: $0.gpus, freeGPUs: $0.freeGPUs, reason: $0.reason)
        }
        startsWhen = found?.startsWhen
        startsNow = found?.startsNow
    }
}

extension ExplainView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        state = try map.optional(2)
        rows = try map.require(3)
        startsWhen = try map.optional(4)
        startsNow = try map.optional(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, state)
        map.set(3, rows)
        map.set(4, startsWhen)
        map.set(5, startsNow)
        return .map(map)
    }
}

extension ExplainView.Row: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        gpus = try map.require(2)
        freeGPUs = try map.optional(3)
        reason = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, gpus)
        map.set(3, freeGPUs)
        map.set(4, reason)
        return .map(map)
    }
}
