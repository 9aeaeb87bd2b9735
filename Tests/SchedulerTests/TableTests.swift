import Codec
import Testing

@testable import Scheduler

struct TableTests {
    @Test("a paged table is a sorted dictionary", arguments: UInt64(1)...5)
    func pagedTable(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var table = PagedTable<Int, Int>()
        var model: [Int: Int] = [:]
        for _ in 0..<5_000 {
            let key = Int.random(in: 0..<2_000, using: &random)
            if Bool.random(using: &random) {
                table.set(key, key * 2)
                model[key] = key * 2
            } else {
                #expect(table.remove(key) == model.removeValue(forKey: key))
            }
        }
        #expect(table.map(\.key) == model.keys.sorted())
        #expect(table.count == model.count)
        for key in 0..<2_000 { #expect(table[key] == model[key]) }
    }

    @Test("ranges of indices are a set", arguments: UInt64(1)...5)
    func indexRanges(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var ranges = IndexRanges(0..<200)
        var model = Set<UInt32>(0..<200)
        for _ in 0..<2_000 {
            let index = UInt32.random(in: 0..<200, using: &random)
            if Bool.random(using: &random) {
                ranges.insert(index)
                model.insert(index)
            } else {
                ranges.remove(index)
                model.remove(index)
            }
        }
        #expect(ranges.flatMap { Array($0) } == model.sorted())
        #expect(!zip(ranges, ranges.dropFirst()).contains { $0.upperBound >= $1.lowerBound })
    }

    @Test("answers are remembered up to their bound and for a day")
    func requestMemory() {
        var memory = RequestMemory()
        for number: UInt64 in 0..<1_000 { memory.remember(RequestID(high: number, low: 1_024), .job(number), at: 5) }
        #expect(memory.answer(to: RequestID(high: 999, low: 1_024)) == .job(999))
        #expect(memory.answer(to: RequestID(high: 0, low: 1_024)) == nil)
        #expect(memory.count(inBucket: 0) <= 128)
        memory.remember(RequestID(high: 1_000, low: 1_024), .ok, at: 6 + SchedulerLimits.requestNanoseconds)
        #expect(memory.count(inBucket: 0) == 1)
    }
}
