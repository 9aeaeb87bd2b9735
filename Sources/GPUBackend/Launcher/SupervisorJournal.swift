import Codec
import Glibc
import Scheduler

/// The exact truth about a supervisor's attempts, in an append-only file.
///
/// A record is u32 length, u32 checksum (FNV-1a of the body), body in CBOR. A record torn by a crash ends the journal: it was
/// never spoken about. Appends reach the page cache at once, so they outlive the supervisor; `sync` makes them outlive the host.
struct SupervisorJournal {
    /// Rewritten without what was acknowledged when it grows beyond this.
    static let compactionBytes = 16 << 20

    /// Where the file is; another one once its directory was moved.
    var path: String
    private var file: Int32
    private var byteCount = 0
    /// Something was appended since the last sync.
    private(set) var needsSync = false

    /// Opens it for appending, after what an earlier supervisor of this directory wrote.
    init(path: String) throws(HostError) {
        self.path = path
        byteCount = try JournalState.read(path: path).byteCount
        file = try HostFiles.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        // A torn tail would hide everything after it.
        if ftruncate(file, off_t(byteCount)) < 0 || lseek(file, 0, SEEK_END) < 0 {
            throw .system(operation: "ftruncate", path: path, errorNumber: errno)
        }
    }

    mutating func append(_ record: JournalRecord) throws(HostError) {
        let bytes = record.framed()
        try HostFiles.writeAll(bytes, to: file, path: path)
        byteCount += bytes.count
        needsSync = true
    }

    /// Everything appended so far is on disk when this returns.
    mutating func sync() throws(HostError) {
        guard needsSync else { return }
        if fdatasync(file) < 0 { throw .system(operation: "fdatasync", path: path, errorNumber: errno) }
        needsSync = false
    }

    var isDueForCompaction: Bool { byteCount > Self.compactionBytes }

    /// Starts over with only `records`.
    mutating func rewrite(_ records: [JournalRecord]) throws(HostError) {
        let bytes = records.flatMap { $0.framed() }
        try HostFiles.replace(path, with: bytes)
        close(file)
        file = try HostFiles.open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        byteCount = bytes.count
        needsSync = false
    }
}
