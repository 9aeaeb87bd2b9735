import Codec
import Scheduler

/// What a journal says when read from the start.
struct JournalState {
    struct Attempt {
        let key: AttemptKey
        let logPath: String
        var process: Int32?
        var startTicks: UInt64?
        var startedAt: Int64?
        var result: AttemptResult?
    }

    /// Not acknowledged, in the order of acceptance.
    private(set) var attempts: [Attempt] = []
    private(set) var boot = ""
    /// How far the journal is whole.
    private(set) var byteCount = 0

    /// An absent journal is an empty one.
    static func read(path: String) throws(HostError) -> JournalState {
        var state = JournalState()
        guard HostFiles.exists(path) else { return state }
        let bytes = try HostFiles.read(path, maximumBytes: 4 * SupervisorJournal.compactionBytes)
        while let record = try state.next(in: bytes, path: path) { state.apply(record) }
        return state
    }

    private mutating func next(in bytes: [UInt8], path: String) throws(HostError) -> JournalRecord? {
        let start = byteCount + JournalRecord.headerBytes
        guard start <= bytes.count else { return nil }
        let length = Self.word(bytes, at: byteCount)
        guard UInt64(length) <= UInt64(bytes.count - start) else { return nil }
        let body = bytes[start..<(start + Int(length))]
        guard JournalRecord.checksum(body) == Self.word(bytes, at: byteCount + 4) else { return nil }
        do throws(CodecError) {
            let record = try JournalRecord(cbor: try CBOR.decode(body))
            byteCount = start + Int(length)
            return record
        } catch { throw .damaged(path: path, error) }
    }

    private static func word(_ bytes: [UInt8], at offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
    }

    private mutating func apply(_ record: JournalRecord) {
        switch record {
        case .opened(let boot, _, _): self.boot = boot
        case .accepted(let key, let logPath, _): attempts.append(Attempt(key: key, logPath: logPath))
        case .started(let key, let process, let ticks, let at):
            change(key) { attempt in
                attempt.process = process
                attempt.startTicks = ticks
                attempt.startedAt = at
            }
        case .ended(let key, let result): change(key) { $0.result = result }
        case .acknowledged(let key): attempts.removeAll { $0.key == key }
        }
    }

    private mutating func change(_ key: AttemptKey, _ body: (inout Attempt) -> Void) {
        // From the end: what changes is nearly always recent.
        guard let index = attempts.lastIndex(where: { $0.key == key }) else { return }
        body(&attempts[index])
    }
}
