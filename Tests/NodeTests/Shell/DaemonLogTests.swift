import Foundation
import Testing

@testable import Node

@Suite("The daemon's log")
struct DaemonLogTests {
    private func lines(_ path: String) throws -> [Substring] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    }

    @Test("it stays within two files of a bounded size, and says where something is missing")
    func bounded() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/daemon.log"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        defer { close(descriptor) }
        let log = DaemonLog(path: path, descriptor: descriptor, limitBytes: 1_000)
        for number in 0..<200 { log.note("event \(number)") }
        let (newest, older) = (try lines(path), try lines(path + ".1"))
        #expect(newest.reduce(0) { $0 + $1.utf8.count + 1 } < 1_200)
        #expect(older.reduce(0) { $0 + $1.utf8.count + 1 } < 1_200)
        #expect(newest.last?.hasSuffix("event 199") == true)
        #expect(newest.first?.contains("goes on from \(path).1; ") == true)
        #expect(newest.first?.hasSuffix("are no longer kept") == true)
        let events = (older + newest).compactMap { Int($0.split(separator: " ").last ?? "") }
        #expect(events == Array((events.first ?? 0)...199), "nothing is missing between the two")
    }

    @Test("a file of another name is not touched")
    func foreign() throws {
        let scratch = try ScratchDirectory()
        let descriptor = open(scratch.path + "/other", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        defer { close(descriptor) }
        let log = DaemonLog(path: scratch.path + "/daemon.log", descriptor: descriptor, limitBytes: 100)
        for number in 0..<50 { log.note("event \(number)") }
        #expect(try lines(scratch.path + "/other").count == 50)
    }
}
