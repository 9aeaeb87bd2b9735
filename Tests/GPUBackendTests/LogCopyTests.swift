import Foundation
import Testing

@testable import GPUBackend

@Suite("A copied log is read like the log itself")
final class LogCopyTests {
    private let root: String
    private var path: String { root + "/there/log" }
    private var copy: LogCopy { LogCopy(path: root + "/here/log") }
    private var place = LogPlace()

    init() throws {
        var template = Array("/tmp/swarmlet-copy-XXXXXX".utf8CString)
        root = String(cString: mkdtemp(&template))
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: root) } catch {
            // The system clears its temporary directory.
        }
    }

    private func append(_ text: String, to writer: inout LogWriter, stream: LogStream = .output) throws {
        let bytes = Array(text.utf8)
        try bytes.withUnsafeBytes { try writer.append($0, stream: stream, time: 7) }
    }

    /// Copies what there is, so many bytes at a time.
    private func copyAll(_ maximumBytes: Int = 7) throws {
        while let next = try LogCopy(path: path).next(after: place, maximumBytes: maximumBytes) {
            place = try copy.take(next.bytes, at: next.place)
        }
    }

    private func records(_ name: String, from cursor: LogCursor = LogCursor()) throws -> [LogRecord] {
        var reader = LogReader(path: "\(root)/\(name)/log", from: cursor)
        var records: [LogRecord] = []
        while case let more = try reader.read(), !more.isEmpty { records += more }
        return records
    }

    @Test("pieces cut anywhere make the same log, and a reader of the one goes on in the other")
    func same() throws {
        var writer = LogWriter(path: path, segmentBytes: 64)
        for number in 0..<20 {
            try append("line \(number)\n", to: &writer, stream: number % 3 == 0 ? .error : .output)
            try copyAll()
        }
        let original = try records("there")
        #expect(try records("here") == original)
        #expect(try records("here", from: original[11].next) == Array(original[12...]))
        #expect(!copy.isWhole)
        try copy.seal()
        #expect(copy.isWhole)
        #expect(try records("here") == original)
    }

    @Test("a record whose end has not come yet is not shown")
    func half() throws {
        var writer = LogWriter(path: path)
        try append("whole", to: &writer)
        try append("half of it", to: &writer)
        place = try copy.take(
            try #require(try LogCopy(path: path).next(after: place, maximumBytes: 40)).bytes, at: place)
        #expect(try records("here").map(\.content) == [.bytes(Array("whole".utf8))])
        try copyAll()
        #expect(try records("here").count == 2)
    }

    @Test("what comes twice is there once, and what would leave a hole is not taken")
    func order() throws {
        let bytes = Array("0123456789".utf8)
        #expect(try copy.take(bytes, at: LogPlace(segment: 0, offset: 4)) == LogPlace())
        #expect(try copy.take(bytes, at: LogPlace()) == LogPlace(segment: 0, offset: 10))
        #expect(try copy.take(bytes, at: LogPlace()) == LogPlace(segment: 0, offset: 10))
        #expect(try copy.take(Array("89ab".utf8), at: LogPlace(segment: 0, offset: 8)).offset == 12)
        #expect(try copy.take(bytes, at: LogPlace(segment: 0, offset: 13)).offset == 12)
        #expect(try String(contentsOfFile: root + "/here/log", encoding: .utf8) == "0123456789ab")
    }

    @Test("a log that was written faster than it was copied has its gap in the copy, too, and no more segments")
    func gap() throws {
        var writer = LogWriter(path: path, segmentBytes: 64)
        try append("first\n", to: &writer)
        try copyAll()
        for number in 0..<100 { try append("line \(number)\n", to: &writer) }
        try copyAll()
        let original = try records("there")
        let copied = try records("here")
        #expect(original.contains { if case .gap = $0.content { true } else { false } })
        #expect(copied.suffix(5) == original.suffix(5))
        #expect(copied.contains { if case .gap = $0.content { true } else { false } })
        for number in 100..<300 {
            try append("line \(number)\n", to: &writer)
            try copyAll()
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: root + "/here").count <= 5)
    }

    @Test("nothing was written: there is no copy, and no error")
    func absent() throws {
        #expect(try LogCopy(path: path).next(after: LogPlace(), maximumBytes: 10) == nil)
        #expect(try !copy.exists)
    }
}
