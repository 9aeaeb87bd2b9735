import CLinux
import Codec
import Scheduler

/// Something to be done beside the command of an attempt that runs, inside of it and with its rights.
///
/// Descriptors travel with it: standard input, output and error of a program; for a connection a socket over which it comes back.
public struct HandOrder: Hashable, Sendable, CBORCodable {
    public var key: AttemptKey
    /// Chosen by the daemon, to name it later; 0: all of the attempt (`signal`).
    public var hand: UInt32
    public var kind: Kind

    public enum Kind: Hashable, Sendable {
        /// `environment` comes after the attempt's own, as `NAME=value`. With a terminal, its standard input is one. With
        /// `keepsLeft` what it leaves running when it ends stays, as long as the attempt, instead of ending with it.
        case run(arguments: [String], environment: [String], hasTerminal: Bool, keepsLeft: Bool = false)
        case signal(Int32)
        /// To a port of the loopback that the attempt sees.
        case connect(port: UInt16)
    }

    public init(key: AttemptKey, hand: UInt32, kind: Kind) {
        self.key = key
        self.hand = hand
        self.kind = kind
    }

    /// How many descriptors come with it.
    var descriptorCount: Int {
        switch kind {
        case .run: 3
        case .signal: 0
        case .connect: 1
        }
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        key = try map.require(1)
        hand = try map.require(2)
        let number: UInt64 = try map.require(3)
        switch number {
        case 1:
            kind = .run(
                arguments: try map.require(4), environment: try map.optional(5) ?? [],
                hasTerminal: try map.require(6), keepsLeft: try map.optional(9) ?? false)
            guard case .run(let arguments, _, _, _) = kind, !arguments.isEmpty else {
                throw .invalid("nothing to run")
            }
        case 2: kind = .signal(try Int32(from: map, key: 7))
        case 3:
            let port: UInt64 = try map.require(8)
            guard let port = UInt16(exactly: port), port > 0 else { throw .invalid("port \(port)") }
            kind = .connect(port: port)
        default: throw .invalid("no order \(number)")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, key)
        map.set(2, hand)
        switch kind {
        case .run(let arguments, let environment, let hasTerminal, let keepsLeft):
            map.set(3, UInt64(1))
            map.set(4, arguments)
            map.set(5, environment)
            map.set(6, hasTerminal)
            map.set(9, keepsLeft ? true : nil)
        case .signal(let number):
            map.set(3, UInt64(2))
            map.set(7, Int64(number))
        case .connect(let port):
            map.set(3, UInt64(3))
            map.set(8, UInt64(port))
        }
        return .map(map)
    }

    /// As the first process of the attempt takes it; nil where it is too long for that.
    func packet(for spec: AttemptSpec) -> [UInt8]? {
        var head = clinux_hand_head()
        head.hand = hand
        var lists: [[String]] = []
        switch kind {
        case .run(let arguments, let environment, let hasTerminal, let keepsLeft):
            head.order = UInt8(CLINUX_ORDER_RUN_HAND.rawValue)
            head.has_terminal = hasTerminal ? 1 : 0
            head.keeps_left = keepsLeft ? 1 : 0
            var asked = spec
            asked.arguments = arguments
            let names = environment.map { $0.prefix { $0 != "=" } + "=" }
            lists = [
                arguments, asked.candidates,
                spec.environment.filter { line in !names.contains { line.hasPrefix($0) } } + environment,
            ]
            guard lists.allSatisfy({ $0.count < 4_000 }) else { return nil }
            head.argument_count = UInt16(lists[0].count)
            head.candidate_count = UInt16(lists[1].count)
            head.variable_count = UInt16(lists[2].count)
        case .signal(let number):
            head.order = UInt8(CLINUX_ORDER_SIGNAL_HAND.rawValue)
            head.number = UInt16(clamping: number)
        case .connect(let port):
            head.order = UInt8(CLINUX_ORDER_CONNECT.rawValue)
            head.number = port
        }
        var bytes = withUnsafeBytes(of: head) { Array($0) }
        for text in lists.joined() { bytes += text.utf8 + [0] }
        return bytes.count <= Int(CLINUX_HAND_BYTES) ? bytes : nil
    }
}
