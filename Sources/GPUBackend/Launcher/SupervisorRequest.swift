import Codec
import Scheduler

/// What a daemon asks of a supervisor.
public enum SupervisorRequest: Hashable, Sendable, CBORCodable {
    /// First on every connection: the supervisor answers with `welcome`, everything not yet acknowledged, and `replayed`.
    /// `directory` is where its files are now: one that was started ahead has been moved to its job's place.
    case hello(version: UInt32, directory: String? = nil)
    /// Run it. Asked twice for the same attempt, the supervisor runs it once and repeats what it said.
    case start(AttemptSpec)
    /// End it by SIGTERM, then SIGKILL after `grace` (nil: the one of its spec).
    case cancel(AttemptKey, grace: Interval?)
    /// End it now: it was replaced elsewhere.
    case kill(AttemptKey)
    /// Its end is known for good; the supervisor may forget it.
    case acknowledge(AttemptKey)
    /// Exit once no attempt is left that runs or waits for its acknowledgement.
    case shutdown
    /// It stands still until `resume`. Of version 2, as is `resume`.
    case pause(AttemptKey)
    case resume(AttemptKey)
    /// Something beside the command of an attempt, with descriptors. Of version 2.
    case hand(HandOrder)
    /// What the setup of an attempt made has been taken: its command may begin. Of version 3.
    case goOn(AttemptKey)
    /// What its command is to read, from the byte of this number on, the first one being 0; what it has already is passed
    /// over. Without bytes it asks how far it is. Of version 4.
    case input(AttemptKey, offset: UInt64, bytes: Bytes, isLast: Bool)

    /// The version of this protocol: the answer to `hello` says which one the supervisor knows.
    /// Version 5 knows of roots that jobs bring and of users inside, and declines an attempt of which it does not know all.
    /// Version 6 holds attempts to what they may keep on disk.
    public static let version: UInt32 = 7

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let kind: UInt64 = try map.require(0)
        switch kind {
        case 1: self = .hello(version: try map.require(1), directory: try map.optional(2))
        case 2: self = .start(try map.require(1))
        case 3: self = .cancel(try map.require(1), grace: try map.optional(2))
        case 4: self = .kill(try map.require(1))
        case 5: self = .acknowledge(try map.require(1))
        case 6: self = .shutdown
        case 7: self = .pause(try map.require(1))
        case 8: self = .resume(try map.require(1))
        case 9: self = .hand(try map.require(1))
        case 10: self = .goOn(try map.require(1))
        case 12:
            self = .input(
                try map.require(1), offset: try map.require(2), bytes: try map.require(3), isLast: try map.require(4))
        default: throw .invalid("no supervisor request \(kind)")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        switch self {
        case .hello(let version, let directory):
            map.set(0, UInt64(1))
            map.set(1, version)
            map.set(2, directory)
        case .start(let spec):
            map.set(0, UInt64(2))
            map.set(1, spec)
        case .cancel(let key, let grace):
            map.set(0, UInt64(3))
            map.set(1, key)
            map.set(2, grace)
        case .kill(let key):
            map.set(0, UInt64(4))
            map.set(1, key)
        case .acknowledge(let key):
            map.set(0, UInt64(5))
            map.set(1, key)
        case .shutdown: map.set(0, UInt64(6))
        case .pause(let key):
            map.set(0, UInt64(7))
            map.set(1, key)
        case .resume(let key):
            map.set(0, UInt64(8))
            map.set(1, key)
        case .hand(let order):
            map.set(0, UInt64(9))
            map.set(1, order)
        case .goOn(let key):
            map.set(0, UInt64(10))
            map.set(1, key)
        case .input(let key, let offset, let bytes, let isLast):
            map.set(0, UInt64(12))
            map.set(1, key)
            map.set(2, offset)
            map.set(3, bytes)
            map.set(4, isLast)
        }
        return .map(map)
    }
}
