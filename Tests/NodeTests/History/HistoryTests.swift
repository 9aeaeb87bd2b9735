import Codec
import Ring
import Scheduler
import Testing

@testable import Node

struct HistoryTests {
    private final class Told {
        var messages: [String] = []
    }

    @Test("a history whose disk fails says so once and holds nothing up")
    func failingDisk() throws {
        let scratch = try ScratchDirectory()
        let loop = try EventLoops.make()
        let history = try History(path: scratch.path + "/missing/history.db", loop: loop)
        let told = Told()
        history.onFailure = { told.messages.append($0) }
        loop.spawn("test") {
            await history.open()
            history.keep([], of: 3)
            await history.settle(through: 5)
            #expect(await history.job(1) == nil)
            #expect(await history.newest(limit: 5).isEmpty)
            await history.close()
            loop.stop()
        }
        loop.run()
        #expect(told.messages.count == 1)
        #expect(history.failure != nil)
    }

    @Test("what was settled is there for the next daemon")
    func settles() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/history.db"
        let loop = try EventLoops.make()
        let history = try History(path: path, loop: loop)
        loop.spawn("test") {
            await history.open()
            history.keep([], of: 3)
            await history.settle(through: 41)
            loop.stop()
        }
        loop.run()
        #expect(history.failure == nil)
        #expect(try HistoryStore(path: path).appliedIndex == 41)
    }
}
