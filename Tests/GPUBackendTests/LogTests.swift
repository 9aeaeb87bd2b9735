import Foundation
import Testing

@testable import GPUBackend

@Suite("Logs are bounded, resumable and torn at the end at most")
final class LogTests {
    let root: String
    var path: String { root + "/attempt/log" }

    init() throws {
        var template = Array("/tmp/swarmlet-log-XXXXXX".utf8CString)
        root = String(cString: mkdtemp(&template))
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    private func append(_ text: String, to writer: inout LogWriter, stream: LogStream = .output, time: Int64 = 1) throws
    {
        let bytes = Array(text.utf8)
        try bytes.withUnsafeBytes { try writer.append($0, stream: stream, time: time) }
    }

    private func text(_ records: [LogRecord]) -> String {
        records.map { record in
            switch record.content {
            case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
            case .gap(let bytes): "<gap \(bytes)>"
            }
        }.joined()
    }

    @Test("a log that nobody wrote is empty, not an error")
    func absent() throws {
        var reader = LogReader(path: path)
        #expect(try reader.read().isEmpty)
        #expect(try LogTail.read(path: path, lines: 5).records.isEmpty)
    }

    @Test("a reader goes on where it stopped, in another reader too")
    func resume() throws {
        var writer = LogWriter(path: path)
        try append("one ", to: &writer)
        var reader = LogReader(path: path)
        #expect(text(try reader.read()) == "one ")
        #expect(try reader.read().isEmpty)
        try append("two ", to: &writer, stream: .error, time: 2)
        var later = LogReader(path: path, from: try LogCursor(encoded: reader.cursor.encoded()))
        let records = try later.read()
        #expect(records.map(\.content) == [.bytes(Array("two ".utf8))])
        #expect(records.map(\.time) == [2] && records.map(\.stream) == [.error])
        #expect(later.cursor.outputBytes == 8)
    }

    @Test("a record torn by a crash is not shown, and what is whole before it is", arguments: [1, 15, 16, 19])
    func torn(kept: Int) throws {
        var writer = LogWriter(path: path)
        try append("whole", to: &writer)
        try append("torn", to: &writer)
        writer.close()
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.truncate(atOffset: UInt64(16 + 5 + kept))
        var reader = LogReader(path: path)
        #expect(text(try reader.read()) == "whole")
        #expect(try reader.read().isEmpty)
    }

    @Test("output beyond the bound leaves its beginning, its end, and a gap of the exact size")
    func bounded() throws {
        var writer = LogWriter(path: path, segmentBytes: 1000)
        var all = ""
        for number in 0..<1000 {
            let line = "line \(number)\n"
            all += line
            try append(line, to: &writer)
        }
        var reader = LogReader(path: path)
        var seen = ""
        while case let records = try reader.read(maximumBytes: 100), !records.isEmpty { seen += text(records) }
        let halves = seen.components(separatedBy: "<gap ")
        try #require(halves.count == 2)
        let rest = halves[1].components(separatedBy: ">")
        #expect(all.hasPrefix(halves[0]) && all.hasSuffix(rest[1]))
        #expect(halves[0].utf8.count + (Int(rest[0]) ?? 0) + rest[1].utf8.count == all.utf8.count)
        #expect(reader.cursor.outputBytes == writer.outputBytes)
    }

    @Test("output that could not be kept shows as a gap")
    func skipped() throws {
        var writer = LogWriter(path: path)
        try append("before", to: &writer)
        writer.skip(bytes: 7)
        try append("after", to: &writer)
        var reader = LogReader(path: path)
        #expect(text(try reader.read()) == "before<gap 7>after")
    }

    @Test("the last lines are cut at newlines, whatever the records are", arguments: [1, 2, 3, 10, 11, 50])
    func tail(lines: Int) throws {
        var writer = LogWriter(path: path, segmentBytes: 60)
        let all = (0..<10).map { "line \($0)\n" }.joined() + "open"
        var rest = all[...]
        while !rest.isEmpty {
            try append(String(rest.prefix(3)), to: &writer)
            rest = rest.dropFirst(3)
        }
        var whole = LogReader(path: path)
        var kept = ""
        while case let records = try whole.read(), !records.isEmpty { kept += text(records) }
        let (records, reader) = try LogTail.read(path: path, lines: lines)
        let expected = kept.components(separatedBy: "\n").suffix(lines).joined(separator: "\n")
        #expect(text(records) == expected)
        #expect(reader.cursor == whole.cursor)
    }

    @Test("a change of a log is told through a descriptor")
    func changes() throws {
        let changes = try LogChanges()
        try FileManager.default.createDirectory(atPath: root + "/attempt", withIntermediateDirectories: true)
        let watch = try changes.watch(directory: root + "/attempt")
        #expect(changes.drain().isEmpty)
        var writer = LogWriter(path: path)
        try append("x", to: &writer)
        #expect(changes.drain() == [watch])
        #expect(changes.drain().isEmpty)
    }
}
