import Codec
import Testing

@testable import Mesh

@Suite("Replay window")
struct ReplayWindowTests {
    static let size = DatagramConstants.windowPackets

    @Test("the window holds at least 2,048 packets")
    func size() { #expect(Self.size >= 2_048) }

    /// Which of these are accepted, one after the other.
    private func accepted(_ counters: [UInt64]) -> [Bool] {
        var window = ReplayWindow()
        return counters.map { window.accept($0) }
    }

    @Test("each counter is accepted once, in any order within the window")
    func once() {
        let answers = accepted([5, 3, 4, 5, 3, 0, 9, 4, 1, 2, 6, 7, 8, 10, 10])
        #expect(answers.enumerated().filter { !$0.element }.map(\.offset) == [3, 4, 7, 14])
    }

    @Test("the oldest counter inside is accepted, the one before it is not")
    func edge() {
        let oldest = 10_000 - Self.size + 1
        #expect(accepted([10_000, oldest - 1, oldest, oldest]) == [true, false, true, false])
    }

    @Test("a jump beyond the whole window forgets what was in it and nothing more")
    func jump() {
        let oldest = 1_000_000 - Self.size + 1
        let front = Array(0..<100 as Range<UInt64>)
        let answers = accepted(front + [1_000_000, 99, oldest, .max, .max, 1_000_000])
        #expect(answers == front.map { _ in true } + [true, false, true, true, false, false])
    }

    @Test("it agrees with a plain set of counters, whatever the order", arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var window = ReplayWindow()
        var accepted: Set<UInt64> = []
        var highest: UInt64 = 0
        var front: UInt64 = generator.next() % 100_000
        for _ in 0..<20_000 {
            front += generator.next() % (generator.next() % 50 == 0 ? 6_000 : 4)
            let counter = front - min(front, generator.next() % 5_000)
            let isRecent = counter > highest || highest - counter < Self.size
            let expected = accepted.isEmpty || isRecent && !accepted.contains(counter)
            let isAccepted = window.accept(counter)
            #expect(isAccepted == expected)
            if expected {
                accepted.insert(counter)
                highest = max(highest, counter)
            }
        }
    }
}
