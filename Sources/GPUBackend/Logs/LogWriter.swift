import Glibc

/// Writes the output of one attempt as records, as fast as it comes, and keeps it within a bound.
///
/// The file is made with the first byte: an attempt that says nothing leaves nothing. Nothing is split into lines.
struct LogWriter {
    private let segments: LogSegments
    private let segmentBytes: Int
    private var file: Int32 = -1
    private var fileBytes = 0
    private var kept: [UInt64] = []
    /// All output taken so far, in bytes.
    private(set) var outputBytes: UInt64 = 0

    /// A new log at `path`, which is one attempt's alone.
    init(path: String, segmentBytes: Int = LogSegments.segmentBytes) {
        segments = LogSegments(path: path)
        self.segmentBytes = segmentBytes
    }

    /// Appends one record; the bytes count at most `LogRecord.maximumBytes`.
    mutating func append(_ bytes: UnsafeRawBufferPointer, stream: LogStream, time: Int64) throws(HostError) {
        precondition(bytes.count <= LogRecord.maximumBytes)
        if file < 0 || fileBytes >= segmentBytes { try nextSegment() }
        var header: (UInt64, UInt64) = (0, 0)
        let total = LogRecord.headerBytes + bytes.count
        let written = withUnsafeMutableBytes(of: &header) { header in
            LogRecord.header(time: time, stream: stream, count: bytes.count, into: header)
            var parts = (
                iovec(iov_base: header.baseAddress, iov_len: header.count),
                iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
            )
            return withUnsafeMutablePointer(to: &parts) {
                $0.withMemoryRebound(to: iovec.self, capacity: 2) { writev(file, $0, 2) }
            }
        }
        guard written == total else {
            let number = written < 0 ? errno : ENOSPC
            // Half a record would hide all that follows it.
            ftruncate(file, off_t(fileBytes))
            lseek(file, off_t(fileBytes), SEEK_SET)
            throw .system(operation: "write", path: segments.path, errorNumber: number)
        }
        fileBytes += total
        outputBytes += UInt64(bytes.count)
    }

    /// Output that could not be kept is counted; the next segment's name tells readers of the gap.
    mutating func skip(bytes: Int) {
        outputBytes += UInt64(bytes)
        close()
    }

    private mutating func nextSegment() throws(HostError) {
        close()
        if let slash = segments.path.lastIndex(of: "/") {
            try HostFiles.makeDirectories(String(segments.path[..<slash]))
        }
        file = try HostFiles.open(segments.path(start: outputBytes), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        fileBytes = 0
        guard outputBytes > 0 else { return }
        kept.append(outputBytes)
        if kept.count > LogSegments.keptAfterFirst { unlink(segments.path(start: kept.removeFirst())) }
    }

    mutating func close() {
        if file >= 0 { Glibc.close(file) }
        file = -1
    }
}
