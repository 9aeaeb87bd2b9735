import Codec
import Mesh
import Raft
import Scheduler

/// What members say to each other on the control session.
public enum NodeMessage: Hashable, Sendable {
    case raft(RaftMessage)
    case swim(SwimMessage)
    /// To the leader: propose this for me.
    case propose(Entry)
    /// To the leader: I am here, and my wall clock shows this (nanoseconds since the Unix epoch; nil where it has not been
    /// read); may my attempts go on?
    case renew(sequence: UInt64, time: Int64? = nil)
    /// To a node: the renewal of this number is granted, once the node has applied the log up to this index.
    /// `ahead`: how far the node's clock was ahead of the middle of the voters' in nanoseconds, where that can be told.
    case granted(sequence: UInt64, index: UInt64, ahead: Int64? = nil)
    /// To the leader: propose these for me, in this order.
    case proposeAll([Entry])
    /// To the leader: up to where is the log decided, as of now?
    case read(sequence: UInt64)
    /// To a node: the read of this number sees everything once the log is applied up to this index.
    case readable(sequence: UInt64, index: UInt64)
    /// To a node: what it wanted proposed is not put into the log, and why.
    case refused(RequestID, Answer)
}

extension NodeMessage: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .raft(try RaftMessage(cbor: content))
        case 2: self = .swim(try SwimMessage(cbor: content))
        case 3: self = .propose(try Entry(proposed: content))
        case 4:
            let map = try content.requireMap()
            self = .renew(sequence: try map.require(1), time: try map.optional(2))
        case 5:
            let map = try content.requireMap()
            self = .granted(sequence: try map.require(1), index: try map.require(2), ahead: try map.optional(3))
        case 6:
            let entries = try content.requireArray()
            self = .proposeAll(try entries.map { entry throws(CodecError) in try Entry(proposed: entry) })
        case 7: self = .read(sequence: try UInt64(cbor: content))
        case 8:
            let map = try content.requireMap()
            self = .readable(sequence: try map.require(1), index: try map.require(2))
        case 9:
            let map = try content.requireMap()
            self = .refused(try map.require(1), try map.require(2))
        default: throw .invalid("message \(number) is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .raft(let message): return numbered(1, message.cbor)
        case .swim(let message): return numbered(2, message.cbor)
        case .propose(let entry): return numbered(3, entry.proposed)
        case .renew(let sequence, let time):
            var map = CBORMap()
            map.set(1, sequence)
            map.set(2, time)
            return numbered(4, .map(map))
        case .granted(let sequence, let index, let ahead):
            var map = CBORMap()
            map.set(1, sequence)
            map.set(2, index)
            map.set(3, ahead)
            return numbered(5, .map(map))
        case .proposeAll(let entries): return numbered(6, .array(entries.map(\.proposed)))
        case .read(let sequence): return numbered(7, sequence.cbor)
        case .readable(let sequence, let index):
            var map = CBORMap()
            map.set(1, sequence)
            map.set(2, index)
            return numbered(8, .map(map))
        case .refused(let request, let answer):
            var map = CBORMap()
            map.set(1, request)
            map.set(2, answer)
            return numbered(9, .map(map))
        }
    }
}
