import Codec
@_spi(Simulation) import Raft

/// Clients and those who only make noise.
extension RaftSimulation {
    // MARK: Noise

    /// Proposals that nobody waits for, a few at once, often to nodes that no longer lead.
    func push() throws(Violation) {
        guard !isClosing else { return }
        events.add(.push, at: now + .milliseconds(generator.pick(1...(2 * scenario.pushMilliseconds))))
        guard let position = someNode(preferringLeader: 4) else { return }
        var inputs: [RaftInput] = []
        for _ in 0..<generator.pick(1...3) {
            inputs.append(.propose(id: number(SimulatedCommand()), entry: lastEntry))
        }
        try handle(position, inputs)
    }

    func poll() throws(Violation) {
        guard !isClosing else { return }
        events.add(.poll, at: now + .milliseconds(generator.pick(1...(2 * scenario.pollMilliseconds))))
        guard let position = someNode(preferringLeader: 4) else { return }
        let request = nextRequest()
        checker.willRead(request)
        try handle(position, [.read(id: request)])
    }

    /// Gives a command its number.
    private func number(_ command: SimulatedCommand) -> UInt64 {
        commands.append(command)
        checker.willPropose(UInt64(commands.count))
        return UInt64(commands.count)
    }

    private var lastEntry: [UInt8] { SimulatedCommand.entry(UInt64(commands.count), padding: scenario.padding) }

    /// A node that is up; `weight` times out of `weight + 1` one that believes to lead, also one that no longer should.
    private func someNode(preferringLeader weight: Int) -> Int? {
        let up = nodes.indices.filter { nodes[$0].core != nil && nodes[$0].pausedUntil <= now }
        let leaders = up.filter { nodes[$0].core?.role == .leader }
        guard !up.isEmpty else { return nil }
        return generator.pick(from: !leaders.isEmpty && generator.chance(weight, in: weight + 1) ? leaders : up)
    }

    // MARK: A client's side

    /// A client thinks of something and asks for it.
    func begin(_ number: Int) {
        guard !isClosing, clients[number].operation == nil else { return }
        let key = generator.pick(0...(scenario.keyCount - 1))
        // Each written value is one of a kind, so that a reader knows whose it is.
        let value = UInt64(history.operations.count) + 1
        let action: ClientOperation.Action
        switch generator.pick(0...9) {
        case 0...3: action = .get
        case 4...6: action = .put(value)
        default: action = .swap(expected: clients[number].values[key], new: value)
        }
        clients[number].serial += 1
        clients[number].key = key
        clients[number].action = action
        clients[number].operation = history.call(client: number, key: key, action)
        clients[number].floor = oracle.called(action, key: key)
        clients[number].givesUpAt =
            (now + .milliseconds(generator.pick(100...scenario.patienceMilliseconds))).nanoseconds
        tell("client \(number) begins request \(clients[number].serial): \(action) of key \(key)")
        ask(number)
    }

    private func ask(_ number: Int) {
        clients[number].attempt += 1
        let client = clients[number]
        let command = SimulatedCommand(
            client: number, serial: client.serial, key: client.key, action: client.action)
        if let arrival = clientArrival() {
            events.add(.request(command, attempt: client.attempt, at: client.target), at: arrival)
        }
        let patience = Interval.milliseconds(generator.pick(50...Int64(1_500)))
        events.add(.patience(client: number, attempt: client.attempt), at: now + patience)
    }

    /// When something between a client and a node arrives; nil where it is lost.
    private func clientArrival() -> Instant? {
        guard !generator.chance(network.weather.lost, in: 1_000) else { return nil }
        return now + Interval(nanoseconds: generator.pick(network.weather.usualMicroseconds) * 1_000)
    }

    func lostPatience(_ number: Int, _ attempt: UInt64) {
        guard clients[number].operation != nil, clients[number].attempt == attempt else { return }
        clients[number].target = generator.pick(0...(nodes.count - 1))
        askAgainOrGiveUp(number)
    }

    func refused(_ number: Int, _ attempt: UInt64, leader: Int?) {
        guard clients[number].operation != nil, clients[number].attempt == attempt else { return }
        clients[number].target = leader ?? generator.pick(0...(nodes.count - 1))
        askAgainOrGiveUp(number)
    }

    private func askAgainOrGiveUp(_ number: Int) {
        guard now.nanoseconds >= clients[number].givesUpAt else { return ask(number) }
        // What became of it stays unknown.
        tell("client \(number) gives up request \(clients[number].serial)")
        clients[number].operation = nil
        think(number)
    }

    private func think(_ number: Int) {
        events.add(.client(number), at: now + .milliseconds(generator.pick(0...(2 * scenario.thinkMilliseconds))))
    }

    func replied(_ reply: SimulatedReply, to number: Int, _ serial: UInt64) throws(Violation) {
        guard let operation = clients[number].operation, clients[number].serial == serial else { return }
        let client = clients[number]
        clients[number].operation = nil
        history.answer(operation, reply.answer)
        outcome.answers += 1
        tell("client \(number) is told of request \(serial): \(reply.answer), version \(reply.version)")
        if case .calm = phase { answersInCalm += 1 }
        switch (reply.answer, client.action) {
        case (.seen(let value), _): clients[number].values[client.key] = value
        case (_, .put(let value)), (_, .swap(_, let value)): clients[number].values[client.key] = value
        default: break
        }
        let broken = oracle.answered(
            client: number, serial: serial, key: client.key, reply, floor: client.floor)
        if let broken { throw checker.fail(broken.rule, broken.detail) }
        think(number)
    }

    // MARK: A node's side

    /// A request reaches a node.
    func serve(_ command: SimulatedCommand, attempt: UInt64, at position: Int) throws(Violation) {
        guard let client = command.client else { return }
        let asker = Asker(client: client, serial: command.serial, attempt: attempt, key: command.key)
        if command.action == .get {
            let request = nextRequest()
            nodes[position].waiting[request] = asker
            checker.willRead(request)
            try handle(position, [.read(id: request)])
        } else {
            let request = number(command)
            nodes[position].waiting[request] = asker
            try handle(position, [.propose(id: request, entry: lastEntry)])
        }
    }

    func answer(_ asker: Asker, _ reply: SimulatedReply) {
        guard let arrival = clientArrival() else { return }
        events.add(.reply(client: asker.client, serial: asker.serial, reply), at: arrival)
    }

    func answerRead(_ request: UInt64, by position: Int) {
        guard let asker = nodes[position].waiting.removeValue(forKey: request) else { return }
        answer(asker, nodes[position].machine.read(asker.key))
    }

    func refuse(_ request: UInt64, _ error: RaftError, by position: Int) {
        guard let asker = nodes[position].waiting.removeValue(forKey: request), let arrival = clientArrival() else {
            return
        }
        var leader: Int?
        switch error {
        case .notLeader(let node), .leadershipLost(let node): leader = node.map { Int($0.rawValue) - 1 }
        default: break
        }
        // A client that is refused at once waits a little, or it would do nothing but ask.
        let rest = Interval.milliseconds(generator.pick(5...Int64(100)))
        events.add(.refusal(client: asker.client, attempt: asker.attempt, leader: leader), at: arrival + rest)
    }

    /// (16) The whole history could have come from one map that does one thing at a time.
    func judgeHistory() throws(Violation) {
        switch Linearizability.verdict(on: history.operations, stepLimit: 2_000_000) {
        case .linearizable: return
        case .undecided: outcome.undecided += 1
        case .broken(let operation):
            for other in history.operations where other.key == operation.key { tell("\(other)") }
            throw checker.fail("the history of the clients is linearizable", "no order explains \(operation)")
        }
    }
}
