import Codec
import GPUBackend
import Glibc
import Testing
import Tokens

@testable import Node

struct RefusalLogTests {
    private let scratch: ScratchDirectory
    private var path: String { scratch.path + "/refusals" }

    init() throws { scratch = try ScratchDirectory() }

    private func begun(after told: LineChain? = nil, limitBytes: Int = RefusalLog.limitBytes) -> RefusalLog {
        let log = RefusalLog(path: path, limitBytes: limitBytes)
        log.begin(after: told)
        return log
    }

    private func note(_ code: String = "token.used", in log: RefusalLog, second: Int64) {
        log.note(.init(door: "guest", code: code, from: "10.0.0.9:5", token: "9f3c"), at: second * 1_000_000_000)
    }

    private func lines(_ suffix: String = "") throws -> [[UInt8]] {
        try HostFiles.read(path + suffix).split(separator: UInt8(ascii: "\n")).map(Array.init)
    }

    private func end() throws -> LineChain { try #require(try lines().last.flatMap { LineChain(endingWith: $0) }) }

    private func verdict(_ ends: [LineChain] = [], limitBytes: Int = RefusalLog.limitBytes) throws
        -> LineChainCheck.Verdict
    {
        try RefusalLog.check(path, against: ends, limitBytes: limitBytes).verdict
    }

    @Test("a line says who, when, where and why, and goes on from the line before, over a restart, too")
    func goesOn() throws {
        note(in: begun(), second: 1_763_733_600)
        let told = try end()
        #expect(
            String(decoding: try lines()[0], as: UTF8.self)
                == #"{"seq":0,"t":"2025-11-21T14:00:00.000Z","door":"guest","code":"token.used","from":"10.0.0.9:5","#
                + #""token":"9f3c","prev":"\#(String(repeating: "0", count: 64))"}"#)
        let log = begun(after: told)
        #expect(!log.isUntold)
        note(in: log, second: 1_763_733_601)
        #expect(log.isUntold)
        #expect(try verdict([told, try end()]) == .whole(2))
        #expect(log.failure == nil)
    }

    @Test("however much is refused, it is five lines a second, and the next line counts the others")
    func bounded() throws {
        let log = begun()
        for _ in 0..<1_000 { note(in: log, second: 7) }
        #expect(try lines().count == 5)
        note(in: log, second: 8)
        note(in: log, second: 8)
        let others = try lines().map { try JSON.parse($0)["others"]?.integerValue }
        #expect(others == [nil, nil, nil, nil, nil, 995, nil])
        #expect(try verdict() == .whole(7))
    }

    @Test("what a kill left of a line goes, and was no line")
    func torn() throws {
        note(in: begun(), second: 1)
        try HostFiles.write("{\"seq\":1,\"t", to: path, flags: O_APPEND)
        #expect(try verdict() == .whole(1))
        note(in: begun(), second: 2)
        #expect(try verdict() == .whole(2))
    }

    @Test("two files are kept, the chain leads from one to the other, and only a full one may have been let go")
    func rotation() throws {
        let limit = 2_000
        var log = begun(limitBytes: limit)
        for second in 1...40 {
            note(in: log, second: Int64(second))
            // A restart in between changes nothing, also where the new file is still empty.
            if second % 7 == 0 { log = begun(after: try end(), limitBytes: limit) }
        }
        let (former, now) = (try lines(".1"), try lines())
        let last = try end()
        #expect(last.count == 40)
        #expect(former.count + now.count < 40)
        #expect(try verdict([last], limitBytes: limit) == .whole(UInt64(former.count + now.count)))
        // Somebody shortens what is kept at its beginning.
        try HostFiles.replace(
            path + ".1", with: Array(former.dropFirst().joined(separator: [UInt8(ascii: "\n")])) + [10])
        #expect(try verdict([last], limitBytes: limit) == .flaw(.missing(0)))
        try #require(unlink(path + ".1") == 0)
        #expect(try verdict([last], limitBytes: limit) == .flaw(.missing(0)))
    }

    @Test("a log that is gone goes on behind what the mesh was told of it, and the gap stays to be seen")
    func gone() throws {
        var log = begun()
        for second in 1...3 { note(in: log, second: Int64(second)) }
        let told = try end()
        try #require(unlink(path) == 0)
        log = begun(after: told)
        note(in: log, second: 9)
        #expect(try end().count == 4)
        #expect(try verdict([told]) == .flaw(.missing(0)))
    }

    @Test("where it cannot be written it says why, once, and nothing else is troubled")
    func failure() throws {
        let log = RefusalLog(path: scratch.path + "/missing/refusals")
        log.begin(after: nil)
        #expect(log.failure?.contains("refusals") == true)
        note(in: log, second: 1)
        #expect(!log.isUntold)
    }
}
