import Codec

/// How many tasks of a job are in each state.
public struct TaskCounts: Hashable, Sendable, CBORCodable {
    /// By the raw value of the state.
    private var counts: SIMD8<UInt32>

    public init() { counts = .zero }

    public subscript(_ state: TaskState) -> UInt32 {
        get { counts[Int(state.rawValue)] }
        set { counts[Int(state.rawValue)] = newValue }
    }

    public var ended: UInt32 { self[.succeeded] + self[.failed] + self[.cancelled] }
    /// Tasks that hold room on a node.
    public var onNodes: UInt32 { self[.placed] + self[.preparing] + self[.running] + self[.unknown] }
    public var total: UInt32 { counts.wrappedSum() }

    /// One word for the whole job, the most telling first.
    public var summary: TaskState {
        if ended == total {
            if self[.failed] > 0 { return .failed }
            return self[.cancelled] > 0 ? .cancelled : .succeeded
        }
        for state in [TaskState.running, .unknown, .preparing, .placed] where self[state] > 0 { return state }
        return ended > 0 ? .running : .pending
    }

    public init(cbor: CBOR) throws(CodecError) {
        let numbers = try [UInt32](cbor: cbor)
        guard numbers.count == TaskState.allCases.count else {
            throw .invalid("\(numbers.count) counts of tasks where there are \(TaskState.allCases.count) states")
        }
        counts = SIMD8(numbers)
    }

    public var cbor: CBOR { counts.indices.map { counts[$0] }.cbor }
}
