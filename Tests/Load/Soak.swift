import Codec
import Glibc
import Node
import Scheduler
import Simulation

/// Clients that write and read settings on all daemons of a mesh, whatever happens to those, and keep the history: what
/// each asked, when, and what it was told.
struct Soak {
    private struct Client {
        var connection: Connection?
        /// The operation under way, as it stands in the history.
        var underway: Int?
        var action = ClientOperation.Action.get
        var key = 0
        var request = RequestID(high: 0, low: 0)
        var actsAt: UInt64 = 0
        /// A write that got no answer is sent again, to any daemon, under the same number.
        var repeats = false
    }

    struct Counts {
        var writes = 0
        var reads = 0
        var unknown = 0
        var repeated = 0
        var failures = 0
        var lostConnections = 0
    }

    private let sockets: [String]
    private var generator: SeededGenerator
    private var clients: [Client]
    private var history = ClientHistory()
    private var nextValue: UInt64 = 0
    private let boot = monotonic() << 20 | UInt64(getpid())
    private var requests: UInt64 = 0
    private(set) var counts = Counts()

    /// Few enough that several clients are on the same key at once.
    private static let keys = 48
    private static let pauseNanoseconds: UInt64 = 4_000_000
    private static let reconnectNanoseconds: UInt64 = 20_000_000

    init(sockets: [String], clients count: Int, seed: UInt64) {
        self.sockets = sockets
        generator = SeededGenerator(seed: seed)
        clients = Array(repeating: Client(), count: count)
    }

    var operations: [ClientOperation] { history.operations }

    /// Everyone acts until the end; then all keys are read once from each daemon, so that what was acknowledged has to be
    /// there.
    mutating func run(seconds: Double) throws(LoadError) {
        let end = monotonic() + UInt64(seconds * 1e9)
        for key in 0..<Self.keys { try blocking(.put(value()), key, at: key % sockets.count) }
        while monotonic() < end {
            try act(mayBegin: true)
            try listen()
        }
        let patience = monotonic() + 30_000_000_000
        while clients.contains(where: { $0.underway != nil && $0.repeats }), monotonic() < patience {
            try act(mayBegin: false)
            try listen()
        }
        for place in sockets.indices {
            for key in 0..<Self.keys { try blocking(.get, key, at: place) }
        }
    }

    // MARK: One client

    private mutating func act(mayBegin: Bool) throws(LoadError) {
        let now = monotonic()
        for number in clients.indices where clients[number].actsAt <= now && clients[number].connection == nil {
            connect(number, now)
        }
        for number in clients.indices where clients[number].actsAt <= now && clients[number].connection != nil {
            if clients[number].underway == nil, mayBegin { begin(number) }
        }
    }

    private mutating func connect(_ number: Int, _ now: UInt64) {
        do throws(LoadError) {
            clients[number].connection = try Connection(path: generator.pick(from: sockets))
            guard clients[number].underway != nil else { return }
            counts.repeated += 1
            try send(number)
        } catch {
            clients[number].connection = nil
            clients[number].actsAt = now + Self.reconnectNanoseconds
        }
    }

    private mutating func begin(_ number: Int) {
        let action: ClientOperation.Action = generator.chance(1, in: 2) ? .put(value()) : .get
        let key = generator.pick(0...(Self.keys - 1))
        requests += 1
        clients[number].action = action
        clients[number].key = key
        clients[number].request = RequestID(high: boot, low: requests)
        clients[number].repeats = action != .get && generator.chance(1, in: 2)
        clients[number].underway = history.call(client: number, key: key, action)
        do throws(LoadError) { try send(number) } catch { lost(number) }
    }

    private func send(_ number: Int) throws(LoadError) {
        let client = clients[number]
        try client.connection?.send(Self.message(client.action, client.key, client.request))
    }

    /// The connection is gone, and with it the answer.
    private mutating func lost(_ number: Int) {
        counts.lostConnections += 1
        clients[number].connection = nil
        clients[number].actsAt = monotonic() + Self.reconnectNanoseconds
        if !clients[number].repeats { giveUp(number) }
    }

    private mutating func giveUp(_ number: Int) {
        guard clients[number].underway != nil else { return }
        if clients[number].action != .get { counts.unknown += 1 }
        clients[number].underway = nil
    }

    private mutating func listen() throws(LoadError) {
        let waiting = clients.indices.filter { clients[$0].connection != nil && clients[$0].underway != nil }
        var polls = waiting.map { pollfd(fd: clients[$0].connection!.descriptor, events: Int16(POLLIN), revents: 0) }
        let ready = poll(&polls, nfds_t(polls.count), 2)
        if ready < 0, errno != EINTR { throw .system("poll", errno) }
        for (place, number) in waiting.enumerated() where polls[place].revents != 0 {
            do throws(LoadError) {
                guard let answer = try clients[number].connection?.answer() else { continue }
                try heard(answer, number)
            } catch .unreadable(let what) {
                throw .unreadable(what)
            } catch {
                lost(number)
            }
        }
    }

    private mutating func heard(_ answer: APIReply, _ number: Int) throws(LoadError) {
        guard let underway = clients[number].underway else { return }
        clients[number].actsAt = monotonic() + Self.pauseNanoseconds
        switch answer {
        case .done:
            counts.writes += 1
            history.answer(underway, .put)
        case .setting(let view):
            counts.reads += 1
            history.answer(underway, .seen(try Self.number(view.value)))
        case .failure:
            counts.failures += 1
            // No leader in time, or a daemon that stops: it may still happen.
            return lost(number)
        default: throw .unreadable("\(answer)")
        }
        clients[number].underway = nil
        // Who stays with one daemon would not see what another one knows.
        if generator.chance(1, in: 20) { clients[number].connection = nil }
    }

    // MARK: Before and after

    /// One operation at one daemon, tried again until it is answered.
    private mutating func blocking(
        _ action: ClientOperation.Action, _ key: Int, at place: Int
    ) throws(LoadError) {
        requests += 1
        let request = RequestID(high: boot, low: requests)
        let number = history.call(client: clients.count, key: key, action)
        let patience = monotonic() + 30_000_000_000
        while monotonic() < patience {
            do throws(LoadError) {
                let connection = try Connection(path: sockets[place])
                try connection.send(Self.message(action, key, request))
                var waiting = [pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0)]
                guard poll(&waiting, 1, 15_000) > 0, let answer = try connection.answer() else { continue }
                switch answer {
                case .done: return history.answer(number, .put)
                case .setting(let view): return history.answer(number, .seen(try Self.number(view.value)))
                default: usleep(50_000)
                }
            } catch {
                usleep(50_000)
            }
        }
        throw .system("daemon \(place) does not answer", ETIMEDOUT)
    }

    private mutating func value() -> UInt64 {
        nextValue += 1
        return nextValue
    }

    private static func message(_ action: ClientOperation.Action, _ key: Int, _ request: RequestID) -> APIRequest {
        guard case .put(let value) = action else { return .setting("user.soak-\(key)") }
        return .configure(ConfigureRequest(request: request, key: "user.soak-\(key)", value: "\(value)"))
    }

    private static func number(_ text: String) throws(LoadError) -> UInt64 {
        guard let number = UInt64(text) else { throw .unreadable("the value \(text)") }
        return number
    }
}
