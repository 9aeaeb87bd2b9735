import Codec
import Node

/// Writes the log of a task to stdout: bytes as they came, or with the time before each line.
struct LogWriter {
    let streams: Streams
    let times: Times
    /// Whether the next byte of a stream (by its number) begins a line.
    private var atLineStart: [Bool] = [true, true, true]
    private var ranks = RankLines()

    enum Streams {
        case both, stderrOnly
    }

    enum Times {
        case hidden, shown
    }

    init(streams: Streams, times: Times) {
        self.streams = streams
        self.times = times
    }

    mutating func write(_ chunk: LogChunk, _ terminal: Terminal) throws(CommandError) {
        guard chunk.stream != 0 else { return Self.tellGap(chunk, terminal) }
        guard chunk.stream <= 2 else { throw .badAnswer(reason: "a log of stream \(chunk.stream)") }
        guard streams == .both || chunk.stream == 2 else { return }
        let bytes = chunk.bytes.array
        if let rank = chunk.rank {
            let time = times == .shown ? Timestamp.rfc3339Milliseconds(Instant(nanoseconds: chunk.time)) + " " : ""
            return try terminal.pass(ranks.take(bytes, rank, chunk.stream, before: time), to: .stdout)
        }
        try terminal.pass(times == .hidden ? bytes : timed(bytes, chunk), to: .stdout)
    }

    /// After the last piece: lines of ranks that never ended.
    mutating func finish(_ terminal: Terminal) throws(CommandError) {
        for line in ranks.rest() { try terminal.pass(line.bytes, to: .stdout) }
    }

    /// Says that a part of the log is gone: it had grown past its bound, or its host was lost with the end of it.
    static func tellGap(_ chunk: LogChunk, _ terminal: Terminal) {
        guard let count = UInt64(String(decoding: chunk.bytes.array, as: UTF8.self)) else {
            return terminal.warn("the host of this log is gone; what was written in its last second may be missing")
        }
        terminal.warn("\(ByteSize.text(count)) of the log is no longer kept")
    }

    private mutating func timed(_ bytes: [UInt8], _ chunk: LogChunk) -> [UInt8] {
        let prefix = Array((Timestamp.rfc3339Milliseconds(Instant(nanoseconds: chunk.time)) + " ").utf8)
        var result: [UInt8] = []
        for byte in bytes {
            if atLineStart[Int(chunk.stream)] { result += prefix }
            result.append(byte)
            atLineStart[Int(chunk.stream)] = byte == 10
        }
        return result
    }
}
