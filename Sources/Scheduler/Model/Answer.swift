import Codec

/// What the one who proposed an entry is told. The same request always gets the same answer.
public enum Answer: Hashable, Sendable, CBORCodable {
    case ok
    case job(JobID)
    /// The number of an admitted node and the name it got.
    case node(NodeID, name: String)
    /// Nothing was changed: a stable code, a sentence, and the way out (`SchedulerError`).
    case refused(code: String, message: String, hint: String)

    public init(_ error: SchedulerError) {
        self = .refused(code: error.code, message: error.message, hint: error.hint)
    }

    /// For the command line: 0 unless refused.
    public var exitCode: Int32 {
        guard case .refused(let code, _, _) = self else { return 0 }
        return SchedulerError.exitCode(ofCode: code)
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let kind: UInt64 = try map.require(0)
        switch kind {
        case 0: self = .ok
        case 1: self = .job(try map.require(1))
        case 2: self = .node(try map.require(1), name: try map.require(2))
        case 3: self = .refused(code: try map.require(1), message: try map.require(2), hint: try map.require(3))
        default: throw .unknownKind("Answer", kind)
        }
    }

    public var cbor: CBOR {
        switch self {
        case .ok: return .kind(0)
        case .job(let job): return .kind(1) { $0.set(1, job) }
        case .node(let node, let name):
            return .kind(2) {
                $0.set(1, node)
                $0.set(2, name)
            }
        case .refused(let code, let message, let hint):
            return .kind(3) {
                $0.set(1, code)
                $0.set(2, message)
                $0.set(3, hint)
            }
        }
    }
}
