import Codec

/// How an attempt ended, for good.
public enum Outcome: Hashable, Sendable, CBORCodable {
    case exited(Int32)
    case signalled(Int32)
    case outOfMemory(limitBytes: UInt64)
    case timeLimit
    /// The program is nowhere on the search path given.
    case commandNotFound(path: String)
    case commandNotExecutable(reason: String)
    /// The host could not start it: `code` is stable, `message` a sentence.
    case hostFailed(code: String, message: String)
    /// Its host was lost, or lost it.
    case lost
    case cancelled
    /// Its node gave it back before it had begun: it waited there for room that did not come soon.
    case returned
    /// It was asked to end because its node is being drained, and goes on elsewhere.
    case moved
    /// It failed when a device that it held failed: in words which, and how.
    case deviceFailed(String)
    /// Another rank of its gang had ended.
    case gangEnded
    /// It kept more below its working directory than it may.
    case diskLimit(limitBytes: UInt64)

    /// What a shell would say: 0 to 255.
    public var exitCode: Int32 {
        switch self {
        case .exited(let code): return code & 0xFF
        case .signalled(let signal): return 128 + (signal & 0x7F)
        case .outOfMemory: return 137
        // As the shell says of a program that is ended by SIGXFSZ.
        case .diskLimit: return 153
        case .timeLimit: return 124
        case .commandNotFound: return 127
        case .commandNotExecutable: return 126
        case .hostFailed: return 125
        case .lost, .returned, .moved, .deviceFailed, .gangEnded: return 75
        case .cancelled: return 130
        }
    }

    public var isSuccess: Bool { self == .exited(0) }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let kind: UInt64 = try map.require(0)
        switch kind {
        case 0: self = .exited(Int32(truncatingIfNeeded: try map.require(1, Int64.self)))
        case 1: self = .signalled(Int32(truncatingIfNeeded: try map.require(1, Int64.self)))
        case 2: self = .outOfMemory(limitBytes: try map.require(1))
        case 3: self = .timeLimit
        case 4: self = .commandNotFound(path: try map.require(1))
        case 5: self = .commandNotExecutable(reason: try map.require(1))
        case 6: self = .hostFailed(code: try map.require(1), message: try map.require(2))
        case 7: self = .lost
        case 8: self = .cancelled
        case 9: self = .returned
        case 10: self = .moved
        case 11: self = .deviceFailed(try map.require(1))
        case 12: self = .gangEnded
        case 13: self = .diskLimit(limitBytes: try map.require(1))
        default: throw .unknownKind("Outcome", kind)
        }
    }

    public var cbor: CBOR {
        switch self {
        case .exited(let code): return .kind(0) { $0.set(1, Int64(code)) }
        case .signalled(let signal): return .kind(1) { $0.set(1, Int64(signal)) }
        case .outOfMemory(let limit): return .kind(2) { $0.set(1, limit) }
        case .timeLimit: return .kind(3)
        case .commandNotFound(let path): return .kind(4) { $0.set(1, path) }
        case .commandNotExecutable(let reason): return .kind(5) { $0.set(1, reason) }
        case .hostFailed(let code, let message):
            return .kind(6) {
                $0.set(1, code)
                $0.set(2, message)
            }
        case .lost: return .kind(7)
        case .cancelled: return .kind(8)
        case .returned: return .kind(9)
        case .moved: return .kind(10)
        case .deviceFailed(let text): return .kind(11) { $0.set(1, text) }
        case .gangEnded: return .kind(12)
        case .diskLimit(let limit): return .kind(13) { $0.set(1, limit) }
        }
    }
}
