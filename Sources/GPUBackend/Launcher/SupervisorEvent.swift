import Codec
import Scheduler

/// What a supervisor says to the daemon. Everything about an attempt is repeated to the next daemon until its end is
/// acknowledged.
public enum SupervisorEvent: Hashable, Sendable, CBORCodable {
    case welcome(version: UInt32, process: Int32)
    /// All that was not acknowledged has been said; what follows is new.
    case replayed
    /// The command runs. `process` is the first process of the attempt, as the host counts.
    case started(AttemptKey, process: Int32, at: Int64)
    case ended(AttemptKey, AttemptResult)
    /// The lease passed: the attempt stands still.
    case frozen(AttemptKey)
    case thawed(AttemptKey)
    /// A start was not accepted, nothing was run, and it may be asked again: `reason` is a stable code.
    case declined(AttemptKey, reason: String)
    /// What somebody ran beside the command has ended.
    case handEnded(AttemptKey, hand: UInt32, exitCode: Int32)
    /// It was not done: `code` is stable, `message` a sentence.
    case handRefused(AttemptKey, hand: UInt32, HandRefusal)
    /// The setup command ended well. The command waits for `SupervisorRequest.goOn`, if it does. To daemons of version 3.
    case setupEnded(AttemptKey, milliseconds: UInt64, isWaiting: Bool)
    /// So many bytes for its command have been taken; where it is not open, it reads no more.
    case inputTaken(AttemptKey, UInt64, isOpen: Bool)

    /// The reasons of `declined`.
    public static let leaseExpired = "host.lease_expired"
    public static let diskFull = "host.disk_full"
    public static let tooOld = "host.supervisor.too_old"
    public static let tooManyAttempts = "host.supervisor.too_many_attempts"

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let kind: UInt64 = try map.require(0)
        switch kind {
        case 1: self = .welcome(version: try map.require(1), process: try Int32(from: map, key: 2))
        case 2: self = .replayed
        case 3: self = .started(try map.require(1), process: try Int32(from: map, key: 2), at: try map.require(3))
        case 4: self = .ended(try map.require(1), try map.require(2))
        case 5: self = .frozen(try map.require(1))
        case 6: self = .thawed(try map.require(1))
        case 7: self = .declined(try map.require(1), reason: try map.require(2))
        case 8: self = .handEnded(try map.require(1), hand: try map.require(2), exitCode: try Int32(from: map, key: 3))
        case 9: self = .handRefused(try map.require(1), hand: try map.require(2), try map.require(3))
        case 10:
            self = .setupEnded(try map.require(1), milliseconds: try map.require(2), isWaiting: try map.require(3))
        case 12: self = .inputTaken(try map.require(1), try map.require(2), isOpen: try map.require(3))
        default: throw .invalid("no supervisor event \(kind)")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        switch self {
        case .welcome(let version, let process):
            map.set(0, UInt64(1))
            map.set(1, version)
            map.set(2, Int64(process))
        case .replayed: map.set(0, UInt64(2))
        case .started(let key, let process, let at):
            map.set(0, UInt64(3))
            map.set(1, key)
            map.set(2, Int64(process))
            map.set(3, at)
        case .ended(let key, let result):
            map.set(0, UInt64(4))
            map.set(1, key)
            map.set(2, result)
        case .frozen(let key):
            map.set(0, UInt64(5))
            map.set(1, key)
        case .thawed(let key):
            map.set(0, UInt64(6))
            map.set(1, key)
        case .declined(let key, let reason):
            map.set(0, UInt64(7))
            map.set(1, key)
            map.set(2, reason)
        case .handEnded(let key, let hand, let exitCode):
            map.set(0, UInt64(8))
            map.set(1, key)
            map.set(2, hand)
            map.set(3, Int64(exitCode))
        case .handRefused(let key, let hand, let refusal):
            map.set(0, UInt64(9))
            map.set(1, key)
            map.set(2, hand)
            map.set(3, refusal)
        case .setupEnded(let key, let milliseconds, let isWaiting):
            map.set(0, UInt64(10))
            map.set(1, key)
            map.set(2, milliseconds)
            map.set(3, isWaiting)
        case .inputTaken(let key, let count, let isOpen):
            map.set(0, UInt64(12))
            map.set(1, key)
            map.set(2, count)
            map.set(3, isOpen)
        }
        return .map(map)
    }
}

extension Int32 {
    /// A process number out of a message.
    init(from map: CBORMap, key: Int) throws(CodecError) {
        let wide: Int64 = try map.require(key)
        guard let number = Int32(exactly: wide) else { throw .invalid("process \(wide)") }
        self = number
    }
}
