import Codec
import Raft

/// The replicated state of a simulated node: a small map, the last answer to each client, and everything that was applied,
/// folded into one number.
struct RaftStateMachine: Hashable {
    struct Cell: Hashable {
        var value: UInt64 = 0
        var version: UInt64 = 0
    }

    /// The newest request of a client and its answer, so that a retry is answered and not done again (thesis, 6.3).
    struct Session: Hashable {
        var serial: UInt64 = 0
        var reply = SimulatedReply(answer: .unknown, index: 0, version: 0, previousVersion: 0)
    }

    private(set) var appliedIndex: UInt64 = 0
    private(set) var fold = TraceDigest()
    private(set) var cells: [Cell]
    private var sessions: [Session]

    init(keys: Int, clients: Int) {
        cells = Array(repeating: Cell(), count: keys)
        sessions = Array(repeating: Session(), count: clients)
    }

    /// Applies an entry; the answer for whoever waits for it, nil where nobody can.
    mutating func apply(_ entry: RaftEntry, _ commands: [SimulatedCommand]) -> SimulatedReply? {
        appliedIndex = entry.index
        guard let bytes = entry.command else { return nil }
        let number = SimulatedCommand.number(bytes)
        fold.add(number)
        let command = commands[Int(number) - 1]
        guard let client = command.client else { return nil }
        if command.serial > sessions[client].serial {
            sessions[client] = Session(serial: command.serial, reply: effect(of: command, at: entry.index))
        }
        // An older request has been given up by its client.
        guard command.serial == sessions[client].serial else { return nil }
        let reply = sessions[client].reply
        fold.add(reply.index)
        fold.add(reply.version)
        return reply
    }

    private mutating func effect(of command: SimulatedCommand, at index: UInt64) -> SimulatedReply {
        let cell = cells[command.key]
        var reply = SimulatedReply(
            answer: .seen(cell.value), index: index, version: cell.version, previousVersion: cell.version)
        switch command.action {
        case .get: return reply
        case .put(let value):
            reply.answer = .put
            cells[command.key] = Cell(value: value, version: index)
        case .swap(let expected, let value):
            guard cell.value == expected else { return reply }
            reply.answer = .swapped
            cells[command.key] = Cell(value: value, version: index)
        }
        reply.version = index
        return reply
    }

    /// What a read at the applied index sees.
    func read(_ key: Int) -> SimulatedReply {
        let cell = cells[key]
        return SimulatedReply(
            answer: .seen(cell.value), index: appliedIndex, version: cell.version, previousVersion: cell.version)
    }

    /// Only for `appliedIndexApart`: a state that believes to be older than it is.
    mutating func pretend(appliedIndex index: UInt64) { appliedIndex = index }

    // MARK: Snapshots

    /// The state as a snapshot carries it, with padding so that it takes several pieces.
    /// `withSessions` is false only for `snapshotWithoutSessions`.
    func encoded(padding: Int, withSessions: Bool = true) -> [UInt8] {
        var numbers = [appliedIndex, fold.value]
        for cell in cells { numbers += [cell.value, cell.version] }
        for session in withSessions ? sessions : sessions.map({ _ in Session() }) {
            let reply = session.reply
            numbers += [session.serial, reply.index, reply.version, reply.previousVersion]
            switch reply.answer {
            case .unknown: numbers += [0, 0]
            case .put: numbers += [1, 0]
            case .swapped: numbers += [2, 0]
            case .seen(let value): numbers += [3, value]
            }
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(numbers.count * 8 + padding)
        for number in numbers {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: number >> shift))
            }
        }
        return bytes + [UInt8](repeating: 0, count: padding)
    }

    init(encoded bytes: [UInt8], keys: Int, clients: Int) {
        self.init(keys: keys, clients: clients)
        var position = 0
        func next() -> UInt64 {
            defer { position += 8 }
            return bytes[position..<(position + 8)].reduce(0) { $0 << 8 | UInt64($1) }
        }
        appliedIndex = next()
        fold = TraceDigest(value: next())
        for key in 0..<keys { cells[key] = Cell(value: next(), version: next()) }
        for client in 0..<clients {
            sessions[client].serial = next()
            var reply = SimulatedReply(answer: .unknown, index: next(), version: next(), previousVersion: next())
            let kind = next()
            let value = next()
            switch kind {
            case 1: reply.answer = .put
            case 2: reply.answer = .swapped
            case 3: reply.answer = .seen(value)
            default: break
            }
            sessions[client].reply = reply
        }
    }
}
