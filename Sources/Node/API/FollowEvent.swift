import Codec
import Scheduler

/// What happens to a followed job, in order; `ended` is the last.
public enum FollowEvent: Hashable, Sendable {
    /// It waits, and why.
    case waiting(String)
    case placed(AttemptPlaced)
    case hostLost(HostLost)
    case output(LogChunk)
    case checkpoint(CheckpointSafe)
    /// The attempt stands still (true) or goes on (false) because its node cannot or can renew its lease.
    case frozen(Bool)
    case ended(JobEnded)
    /// Of an array: the output that follows is that of this task, from its beginning.
    case task(UInt32)
    /// What the last attempt wrote could not all be had from this node; it is kept there.
    case outputMissing(node: String)
    /// Somebody paused it, or with nil lets it go on.
    case paused(by: String?)
    case rankEnded(RankEnded)
    /// The setup of an attempt is there, and its command begins.
    case setUp(node: String, AttemptSetup)
}

extension FollowEvent: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .waiting(try String(cbor: content))
        case 2: self = .placed(try AttemptPlaced(cbor: content))
        case 3: self = .hostLost(try HostLost(cbor: content))
        case 4: self = .output(try LogChunk(cbor: content))
        case 5: self = .checkpoint(try CheckpointSafe(cbor: content))
        case 6: self = .frozen(try Bool(cbor: content))
        case 7: self = .ended(try JobEnded(cbor: content))
        case 8: self = .task(try UInt32(cbor: content))
        case 9: self = .outputMissing(node: try String(cbor: content))
        case 10: self = .paused(by: content == .null ? nil : try String(cbor: content))
        case 11: self = .rankEnded(try RankEnded(cbor: content))
        case 12:
            let map = try content.requireMap()
            self = .setUp(node: try map.require(1), try map.require(2))
        default: throw .invalid("event \(number) is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .waiting(let reason): numbered(1, reason.cbor)
        case .placed(let placed): numbered(2, placed.cbor)
        case .hostLost(let lost): numbered(3, lost.cbor)
        case .output(let chunk): numbered(4, chunk.cbor)
        case .checkpoint(let safe): numbered(5, safe.cbor)
        case .frozen(let frozen): numbered(6, frozen.cbor)
        case .ended(let ended): numbered(7, ended.cbor)
        case .task(let task): numbered(8, task.cbor)
        case .outputMissing(let node): numbered(9, node.cbor)
        case .paused(let person): numbered(10, person?.cbor ?? .null)
        case .rankEnded(let ended): numbered(11, ended.cbor)
        case .setUp(let node, let setup): numbered(12, FollowEvent.map(node, setup))
        }
    }

    private static func map(_ node: String, _ setup: AttemptSetup) -> CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, setup)
        return .map(map)
    }
}
