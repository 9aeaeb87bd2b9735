import Codec
import Simulation
import Testing

/// Histories that a map doing one thing at a time could have made, and histories that it could not.
@Suite struct LinearizabilityTests {
    typealias Action = ClientOperation.Action
    typealias Answer = ClientOperation.Answer

    /// One operation on key 1, as a client with the number of its place in the list.
    struct Line {
        var action: Action
        var answer: Answer
        var called: UInt64
        var returned: UInt64

        init(_ called: UInt64, _ returned: UInt64, _ action: Action, _ answer: Answer) {
            (self.action, self.answer, self.called, self.returned) = (action, answer, called, returned)
        }
    }

    static func history(_ lines: [Line]) -> [ClientOperation] {
        lines.enumerated().map { number, line in
            ClientOperation(
                client: number, key: 1, action: line.action, answer: line.answer, called: line.called,
                returned: line.returned)
        }
    }

    static let possible: [(claim: String, lines: [Line])] = [
        ("nothing happened", []),
        ("one after the other", [Line(1, 2, .put(1), .put), Line(3, 4, .get, .seen(1)), Line(5, 6, .put(2), .put)]),
        ("nothing was written yet", [Line(1, 2, .get, .seen(0))]),
        ("a get beside a put sees it", [Line(1, 4, .put(1), .put), Line(2, 3, .get, .seen(1))]),
        ("a get beside a put does not see it", [Line(1, 4, .put(1), .put), Line(2, 3, .get, .seen(0))]),
        (
            "two gets beside a put see the old value, then the new one",
            [Line(1, 6, .put(1), .put), Line(2, 3, .get, .seen(0)), Line(4, 5, .get, .seen(1))]
        ),
        (
            "puts that overlap take either order",
            [Line(1, 4, .put(1), .put), Line(2, 3, .put(2), .put), Line(5, 6, .get, .seen(1))]
        ),
        ("a lost put is never seen", [Line(1, 0, .put(1), .unknown), Line(2, 3, .get, .seen(0))]),
        ("a lost put is seen", [Line(1, 0, .put(1), .unknown), Line(2, 3, .get, .seen(1))]),
        (
            "a lost put is seen much later",
            [
                Line(1, 0, .put(1), .unknown), Line(2, 3, .put(2), .put), Line(4, 5, .get, .seen(2)),
                Line(6, 7, .get, .seen(1)),
            ]
        ),
        (
            "two lost puts are seen in the order opposite to their calls",
            [
                Line(1, 0, .put(1), .unknown), Line(2, 0, .put(2), .unknown), Line(3, 4, .get, .seen(2)),
                Line(5, 6, .get, .seen(1)),
            ]
        ),
        (
            "a lost swap stands on a lost put",
            [
                Line(1, 0, .swap(expected: 7, new: 8), .unknown), Line(2, 0, .put(7), .unknown),
                Line(3, 4, .get, .seen(8)),
            ]
        ),
        (
            "of two swaps from one value, one fails",
            [
                Line(1, 2, .put(1), .put), Line(3, 6, .swap(expected: 1, new: 2), .swapped),
                Line(4, 5, .swap(expected: 1, new: 3), .seen(2)),
            ]
        ),
        ("a get without an answer says nothing", [Line(1, 2, .put(1), .put), Line(3, 0, .get, .unknown)]),
    ]

    static let impossible: [(claim: String, lines: [Line])] = [
        ("an old value after a new one was acknowledged", [Line(1, 2, .put(1), .put), Line(3, 4, .get, .seen(0))]),
        ("a value that nobody wrote", [Line(1, 2, .put(1), .put), Line(3, 4, .get, .seen(9))]),
        ("a value before it was asked for", [Line(1, 2, .get, .seen(1)), Line(3, 4, .put(1), .put)]),
        (
            "new, then old again, beside the put",
            [Line(1, 6, .put(1), .put), Line(2, 3, .get, .seen(1)), Line(4, 5, .get, .seen(0))]
        ),
        (
            "two clients see two puts in different orders",
            [
                Line(1, 12, .put(1), .put), Line(2, 11, .put(2), .put), Line(3, 4, .get, .seen(1)),
                Line(5, 6, .get, .seen(2)), Line(7, 8, .get, .seen(1)),
            ]
        ),
        (
            "two swaps from one value both succeed",
            [
                Line(1, 2, .put(1), .put), Line(3, 6, .swap(expected: 1, new: 2), .swapped),
                Line(4, 5, .swap(expected: 1, new: 3), .swapped),
            ]
        ),
        (
            "an acknowledged put is lost under a later get",
            [Line(1, 2, .put(1), .put), Line(3, 4, .put(2), .put), Line(5, 6, .get, .seen(1))]
        ),
        (
            "a lost put happens twice",
            [
                Line(1, 0, .put(1), .unknown), Line(2, 3, .get, .seen(1)), Line(4, 5, .put(2), .put),
                Line(6, 7, .get, .seen(2)), Line(8, 9, .get, .seen(1)),
            ]
        ),
        (
            "a lost put is seen before its call",
            [Line(1, 2, .get, .seen(1)), Line(3, 0, .put(1), .unknown)]
        ),
        (
            "a swap that saw what it expected and did nothing",
            [Line(1, 2, .put(1), .put), Line(3, 4, .swap(expected: 1, new: 2), .seen(1))]
        ),
        (
            "a retried swap that took effect is told that it did not",
            [
                Line(1, 2, .put(1), .put), Line(3, 8, .swap(expected: 1, new: 2), .seen(2)),
                Line(4, 5, .get, .seen(2)),
            ]
        ),
        (
            "nothing after something",
            [Line(1, 2, .put(1), .put), Line(3, 4, .get, .seen(1)), Line(5, 6, .get, .seen(0))]
        ),
    ]

    @Test("what one map could have answered is accepted", arguments: possible.indices)
    func accepts(position: Int) {
        let (claim, lines) = Self.possible[position]
        #expect(Linearizability.verdict(on: Self.history(lines)) == .linearizable, "\(claim)")
    }

    @Test("what no map could have answered is rejected", arguments: impossible.indices)
    func rejects(position: Int) {
        let (claim, lines) = Self.impossible[position]
        guard case .broken = Linearizability.verdict(on: Self.history(lines)) else {
            Issue.record("\(claim): not rejected")
            return
        }
    }

    @Test("small histories are judged as trying all orders judges them")
    func exhaustive() {
        var generator = SeededGenerator(seed: 1)
        var accepted = 0
        for _ in 0..<4_000 {
            let operations = Self.arbitrary(generator.pick(1...6), &generator)
            let verdict = Linearizability.verdict(on: operations)
            let isPossible = Self.someOrderExplains(operations)
            #expect((verdict == .linearizable) == isPossible, "\(operations)")
            if isPossible { accepted += 1 }
        }
        // A test of one kind only would prove nothing.
        #expect(accepted > 400 && accepted < 3_600)
    }

    @Test("20,000 operations of 16 clients on 50 keys are accepted, and rejected once a single get lies")
    func large() throws {
        var generator = SeededGenerator(seed: 3)
        var operations = Self.recorded(count: 20_000, clients: 16, keys: 50, &generator)
        #expect(Linearizability.verdict(on: operations) == .linearizable)
        // A get that saw a value sees the one before it instead: written, acknowledged, and overwritten long ago.
        let old = try #require(operations.indices.first { operations[$0].answer == .put })
        let liar = try #require(
            operations.indices.last { number in
                operations[number].action == .get && operations[number].answer != .unknown
                    && operations[number].key == operations[old].key
            })
        operations[liar].answer = .seen(try #require(Self.value(operations[old])))
        #expect(Linearizability.verdict(on: operations) != .linearizable)
    }

    @Test("a key on which all clients crowd is judged too")
    func crowded() {
        var generator = SeededGenerator(seed: 4)
        let operations = Self.recorded(count: 4_000, clients: 16, keys: 1, &generator)
        #expect(Linearizability.verdict(on: operations) == .linearizable)
    }

    // MARK: Making histories

    private static func value(_ operation: ClientOperation) -> UInt64? {
        switch operation.action {
        case .get: nil
        case .put(let value), .swap(_, let value): value
        }
    }

    /// Operations with arbitrary answers, of which some could have happened.
    private static func arbitrary(_ count: Int, _ generator: inout SeededGenerator) -> [ClientOperation] {
        (0..<count).map { number in
            let called = generator.pick(1...UInt64(12))
            let returned = called + generator.pick(1...UInt64(6))
            let isLost = generator.chance(1, in: 4)
            let action: Action
            let answer: Answer
            switch generator.pick(0...4) {
            case 0...1:
                action = .get
                answer = .seen(generator.pick(0...3))
            case 2...3:
                action = .put(generator.pick(1...3))
                answer = .put
            default:
                action = .swap(expected: generator.pick(0...3), new: generator.pick(1...3))
                answer = generator.chance(1, in: 2) ? .swapped : .seen(generator.pick(0...3))
            }
            return ClientOperation(
                client: number, key: 1, action: action, answer: isLost ? .unknown : answer, called: called,
                returned: returned)
        }
    }

    /// Tries every order of every choice of the lost operations.
    private static func someOrderExplains(_ operations: [ClientOperation]) -> Bool {
        func goOn(_ left: [ClientOperation], _ value: UInt64) -> Bool {
            if left.allSatisfy({ $0.answer == .unknown }) { return true }
            let firstReturn = left.map(\.returned).min() ?? .max
            for (position, operation) in left.enumerated() where operation.called <= firstReturn {
                var rest = left
                rest.remove(at: position)
                switch (operation.action, operation.answer) {
                case (_, .seen(let seen)):
                    if case .swap(let expected, _) = operation.action, expected == seen { continue }
                    if seen == value, goOn(rest, value) { return true }
                case (.put(let new), _):
                    if goOn(rest, new) { return true }
                case (.swap(let expected, let new), _):
                    if expected == value, goOn(rest, new) { return true }
                case (.get, _):
                    if goOn(rest, value) { return true }
                }
            }
            return false
        }
        return goOn(operations, 0)
    }

    /// What clients of a real map record: each does one thing at a time, and every twentieth answer is lost.
    private static func recorded(
        count: Int, clients: Int, keys: Int, _ generator: inout SeededGenerator
    ) -> [ClientOperation] {
        struct Pending {
            var number: Int
            var answer: Answer?
        }
        var history = ClientHistory()
        var values = [UInt64](repeating: 0, count: keys)
        var pending = [Pending?](repeating: nil, count: clients)
        var abandoned: [Int] = []
        var nextValue: UInt64 = 0
        func effect(_ number: Int) -> Answer {
            let operation = history.operations[number]
            let value = values[operation.key]
            switch operation.action {
            case .get: return .seen(value)
            case .put(let new):
                values[operation.key] = new
                return .put
            case .swap(let expected, let new):
                guard value == expected else { return .seen(value) }
                values[operation.key] = new
                return .swapped
            }
        }
        while history.operations.count < count {
            let client = generator.pick(0...(clients - 1))
            guard let current = pending[client] else {
                let key = generator.pick(0...(keys - 1))
                nextValue += 1
                let action: Action
                switch generator.pick(0...3) {
                case 0...1: action = .get
                case 2: action = .put(nextValue)
                default: action = .swap(expected: values[key], new: nextValue)
                }
                pending[client] = Pending(number: history.call(client: client, key: key, action))
                continue
            }
            if let answer = current.answer {
                history.answer(current.number, answer)
                pending[client] = nil
            } else if generator.chance(1, in: 20) {
                abandoned.append(current.number)
                pending[client] = nil
            } else {
                pending[client]?.answer = effect(current.number)
            }
            // What was given up may happen at any later time, or never.
            if !abandoned.isEmpty, generator.chance(1, in: 60) {
                _ = effect(abandoned.remove(at: generator.pick(0...(abandoned.count - 1))))
            }
        }
        return history.operations
    }
}
