import Codec
import Scheduler

/// What is asked about the log of what happened.
public enum AuditRequest: Hashable, Sendable {
    /// Events, oldest first: from a time on (nanoseconds since the Unix epoch), the newest so many of them, those about a
    /// token of this short id or whose name begins so. Answered with `audit(lines)` in pieces, and `done`.
    case list(since: Int64?, tail: UInt64?, token: String?)
    /// Every line of this node's copy, against what was signed, and against an older checkpoint where one is given.
    case verify(checkpoint: String?)
    case proofOfJob(JobID)
    case proof(UInt64)
}

extension AuditRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1:
            let map = try content.requireMap()
            self = .list(since: try map.optional(1), tail: try map.optional(2), token: try map.optional(3))
        case 2: self = .verify(checkpoint: try content.requireMap().optional(1))
        case 3: self = .proofOfJob(try UInt64(cbor: content))
        case 4: self = .proof(try UInt64(cbor: content))
        default: throw .invalid("request \(number) about the audit log is not known to this version")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        switch self {
        case .list(let since, let tail, let token):
            map.set(1, since)
            map.set(2, tail)
            map.set(3, token)
            return numbered(1, .map(map))
        case .verify(let checkpoint):
            map.set(1, checkpoint)
            return numbered(2, .map(map))
        case .proofOfJob(let job): return numbered(3, job.cbor)
        case .proof(let sequence): return numbered(4, sequence.cbor)
        }
    }
}
