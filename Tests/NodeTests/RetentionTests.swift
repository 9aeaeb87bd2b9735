import Codec
import Scheduler
import Testing

@testable import Node

@Suite("How long output and results are kept")
struct RetentionTests {
    private let day: Int64 = 86_400_000_000_000

    private func kept(_ job: JobID, daysAgo: Int64, bytes: UInt64) -> Retention.Kept {
        Retention.Kept(job: job, endedAt: 100 * day - daysAgo * day, bytes: bytes)
    }

    private func overdue(_ kept: [Retention.Kept], limit: UInt64 = 100) -> [JobID] {
        Retention.overdue(kept, at: 100 * day, limit: limit)
    }

    @Test("after a week it goes, whatever room there is")
    func week() {
        #expect(overdue([kept(1, daysAgo: 7, bytes: 1), kept(2, daysAgo: 6, bytes: 1)]) == [1])
    }

    @Test("beyond the limit the oldest go, and smaller ones behind them too")
    func limit() {
        let all = [kept(1, daysAgo: 5, bytes: 10), kept(2, daysAgo: 4, bytes: 60), kept(3, daysAgo: 2, bytes: 60)]
        #expect(overdue(all) == [1, 2])
        #expect(overdue(all, limit: 130) == [])
    }

    @Test("within a day of the end of its job nothing goes, and it counts")
    func fresh() {
        #expect(overdue([kept(1, daysAgo: 0, bytes: 500), kept(2, daysAgo: 1, bytes: 1)]) == [2])
    }

    @Test("the order in which it is listed does not matter")
    func order() {
        let all = (1...20).map { kept(JobID($0), daysAgo: Int64($0 % 6), bytes: UInt64($0)) }
        #expect(overdue(all) == overdue(all.reversed()))
    }
}
