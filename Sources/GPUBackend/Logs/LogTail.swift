/// The end of a log by lines.
public enum LogTail {
    /// Lines without an end do not make this hold more than so much.
    private static let maximumBytes = 64 << 20

    /// The last `lines` lines of what both streams wrote, and a reader that goes on behind them.
    ///
    /// A last line without a newline counts as one. A gap inside the tail is shown where it is.
    public static func read(path: String, lines: Int) throws(HostError) -> (records: [LogRecord], reader: LogReader) {
        let starts = try LogSegments(path: path).list().map(\.start)
        // From the newest segment backwards, until one holds enough.
        for start in starts.reversed() where start > 0 {
            let cursor = LogCursor(outputBytes: start, segment: start, offset: 0)
            let found = try collect(LogReader(path: path, from: cursor), lines: lines)
            if found.isEnough { return (found.records, found.reader) }
        }
        let found = try collect(LogReader(path: path), lines: lines)
        return (found.records, found.reader)
    }

    private static func collect(
        _ start: LogReader, lines: Int
    ) throws(HostError) -> (records: [LogRecord], reader: LogReader, isEnough: Bool) {
        var reader = start
        var kept: [LogRecord] = []
        var newlines = 0
        var bytes = 0
        while true {
            let more = try reader.read()
            if more.isEmpty { break }
            kept += more
            for record in more {
                newlines += count(record)
                bytes += record.byteCount
            }
            // One newline more than lines are wanted: the line before ends with it.
            var dropped = 0
            while dropped < kept.count, newlines - count(kept[dropped]) > lines || bytes > maximumBytes {
                newlines -= count(kept[dropped])
                bytes -= kept[dropped].byteCount
                dropped += 1
            }
            kept.removeFirst(dropped)
        }
        let endsOpen = kept.last?.lastByte != UInt8(ascii: "\n")
        let surplus = newlines + (endsOpen ? 1 : 0) - lines
        guard surplus > 0 else { return (kept, reader, false) }
        return (cut(kept, newlines: surplus), reader, true)
    }

    /// What follows the first `newlines` newlines.
    private static func cut(_ records: [LogRecord], newlines: Int) -> [LogRecord] {
        var left = newlines
        for (index, record) in records.enumerated() {
            guard case .bytes(let bytes) = record.content else { continue }
            for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
                left -= 1
                guard left == 0 else { continue }
                var first = record
                first.content = .bytes(Array(bytes[(offset + 1)...]))
                let rest = Array(records[(index + 1)...])
                return offset + 1 == bytes.count ? rest : [first] + rest
            }
        }
        return []
    }

    private static func count(_ record: LogRecord) -> Int {
        guard case .bytes(let bytes) = record.content else { return 0 }
        return bytes.reduce(0) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
    }
}

extension LogRecord {
    fileprivate var byteCount: Int {
        guard case .bytes(let bytes) = content else { return 0 }
        return bytes.count
    }

    fileprivate var lastByte: UInt8? {
        guard case .bytes(let bytes) = content else { return nil }
        return bytes.last
    }
}
