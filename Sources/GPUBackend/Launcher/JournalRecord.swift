import Codec
import Scheduler

/// One entry of a supervisor's journal.
enum JournalRecord: Hashable {
    /// A supervisor began its work.
    case opened(boot: String, process: Int32, at: Int64)
    case accepted(AttemptKey, logPath: String, at: Int64)
    /// `startTicks` tells the process from a later one of the same number.
    case started(AttemptKey, process: Int32, startTicks: UInt64, at: Int64)
    case ended(AttemptKey, AttemptResult)
    case acknowledged(AttemptKey)

    static let headerBytes = 8

    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let kind: UInt64 = try map.require(0)
        switch kind {
        case 1:
            self = .opened(boot: try map.require(1), process: try Int32(from: map, key: 2), at: try map.require(3))
        case 2: self = .accepted(try map.require(1), logPath: try map.require(2), at: try map.require(3))
        case 3:
            self = .started(
                try map.require(1), process: try Int32(from: map, key: 2), startTicks: try map.require(3),
                at: try map.require(4))
        case 4: self = .ended(try map.require(1), try map.require(2))
        case 5: self = .acknowledged(try map.require(1))
        default: throw .invalid("no journal record \(kind)")
        }
    }

    var cbor: CBOR {
        var map = CBORMap()
        switch self {
        case .opened(let boot, let process, let at):
            map.set(0, UInt64(1))
            map.set(1, boot)
            map.set(2, Int64(process))
            map.set(3, at)
        case .accepted(let key, let logPath, let at):
            map.set(0, UInt64(2))
            map.set(1, key)
            map.set(2, logPath)
            map.set(3, at)
        case .started(let key, let process, let ticks, let at):
            map.set(0, UInt64(3))
            map.set(1, key)
            map.set(2, Int64(process))
            map.set(3, ticks)
            map.set(4, at)
        case .ended(let key, let result):
            map.set(0, UInt64(4))
            map.set(1, key)
            map.set(2, result)
        case .acknowledged(let key):
            map.set(0, UInt64(5))
            map.set(1, key)
        }
        return .map(map)
    }

    func framed() -> [UInt8] {
        let body = cbor.encoded()
        return Self.bytes(UInt32(body.count)) + Self.bytes(Self.checksum(body[...])) + body
    }

    static func checksum(_ body: ArraySlice<UInt8>) -> UInt32 {
        body.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    private static func bytes(_ word: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
}
