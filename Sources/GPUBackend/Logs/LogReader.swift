import Glibc

/// Reads the log of an attempt, also while its supervisor writes it.
///
/// A record that is not whole yet is left for the next call. Where segments were deleted it yields a gap with the exact
/// number of bytes that are missing.
public struct LogReader: Sendable {
    private let segments: LogSegments
    /// Where the next call goes on; keep it to resume later, in another process if need be.
    public private(set) var cursor: LogCursor

    public init(path: String, from cursor: LogCursor = LogCursor()) {
        segments = LogSegments(path: path)
        self.cursor = cursor
    }

    /// The next records, of about `maximumBytes` in all (at least one if there is one); empty when there is no more yet.
    public mutating func read(maximumBytes: Int = 256 << 10) throws(HostError) -> [LogRecord] {
        var records: [LogRecord] = []
        var budget = maximumBytes
        while budget > 0 {
            let before = cursor
            let taken = try readSegment(into: &records, maximumBytes: budget)
            budget -= taken
            if taken > 0 { continue }
            guard try advance(into: &records) else { break }
            precondition(cursor != before, "a reader that goes on has moved")
        }
        return records
    }

    /// Whole records of the current segment; returns how many bytes of the file they took.
    private mutating func readSegment(into records: inout [LogRecord], maximumBytes: Int) throws(HostError) -> Int {
        let path = segments.path(start: cursor.segment)
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 {
            if errno == ENOENT { return 0 }
            throw .system(operation: "open", path: path, errorNumber: errno)
        }
        defer { close(file) }
        // Room for one longest record, so that there is always progress.
        let room = max(maximumBytes, LogRecord.maximumBytes + LogRecord.headerBytes)
        var taken = 0
        var failure: Int32 = 0
        withUnsafeTemporaryAllocation(byteCount: room, alignment: 16) { buffer in
            let count = pread(file, buffer.baseAddress, room, off_t(cursor.offset))
            if count < 0 {
                failure = errno
                return
            }
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            while taken < maximumBytes, let (time, stream, length) = LogRecord.parseHeader(bytes, at: taken) {
                let start = taken + LogRecord.headerBytes
                guard length <= bytes.count - start else { break }
                let content = [UInt8](bytes[start..<(start + length)])
                taken = start + length
                cursor.outputBytes += UInt64(length)
                var next = cursor
                next.offset += UInt64(taken)
                records.append(LogRecord(time: time, stream: stream, content: .bytes(content), next: next))
            }
        }
        if failure != 0 { throw .system(operation: "read", path: path, errorNumber: failure) }
        cursor.offset += UInt64(taken)
        return taken
    }

    /// On to the next segment, if there is one; a gap between them becomes a record.
    private mutating func advance(into records: inout [LogRecord]) throws(HostError) -> Bool {
        let list = try segments.list()
        let next: LogSegments.Segment?
        if list.contains(where: { $0.start == cursor.segment }) {
            next = list.first { $0.start > cursor.segment }
        } else {
            next = list.first { $0.start >= cursor.outputBytes }
        }
        guard let next, next.start != cursor.segment || cursor.offset > 0 else { return false }
        if next.start > cursor.outputBytes {
            // The writer may have finished this segment after we read it; now that a next one is there, it is final.
            if try readSegment(into: &records, maximumBytes: LogRecord.maximumBytes) > 0 { return true }
            let missing = next.start - cursor.outputBytes
            let time = try Self.firstTime(next.path)
            let after = LogCursor(outputBytes: next.start, segment: next.start, offset: 0)
            records.append(LogRecord(time: time, stream: .output, content: .gap(bytes: missing), next: after))
        }
        cursor = LogCursor(outputBytes: next.start, segment: next.start, offset: 0)
        return true
    }

    /// What was written at that time or later: its first records, and a reader that goes on behind them.
    public static func since(
        _ time: Int64, path: String
    ) throws(HostError) -> (records: [LogRecord], reader: LogReader) {
        var start = LogCursor()
        // The newest segment that begins before.
        for segment in try LogSegments(path: path).list().reversed() where segment.start > 0 {
            let first = try firstTime(segment.path)
            guard first > 0, first < time else { continue }
            start = LogCursor(outputBytes: segment.start, segment: segment.start, offset: 0)
            break
        }
        var reader = LogReader(path: path, from: start)
        while true {
            let records = try reader.read()
            if records.isEmpty { return ([], reader) }
            if let index = records.firstIndex(where: { $0.time >= time }) { return (Array(records[index...]), reader) }
        }
    }

    private static func firstTime(_ path: String) throws(HostError) -> Int64 {
        let header = try HostFiles.read(path, maximumBytes: LogRecord.headerBytes)
        return header.withUnsafeBytes { LogRecord.parseHeader($0, at: 0)?.0 ?? 0 }
    }
}
