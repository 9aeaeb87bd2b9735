import Codec
import Glibc
import Scheduler

/// The exact truth about a supervisor's attempts, in an append-only file.
///
/// A record is u32 length, u32 checksum (FNV-1a of the body), body in CBOR. A record torn by a crash ends the journal: it was
/// never spoken about. Appends reach the page cache at once, so they outlive the supervisor; `sync` makes them outlive the host.
///
/// A full disk ends no attempt: what it does not take is kept here until it does, and is not spoken about before.
struct SupervisorJournal {
    /// Rewritten without what was acknowledged when it grows beyond this.
    static let compactionBytes = 16 << 20

    /// Where the file is; another one once its directory was moved.
    var path: String
    private var file: Int32
    private var byteCount = 0
    /// What the disk had no room for, in its order.
    private var backlog: [UInt8] = []
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
        backlog += record.framed()
        try catchUp()
    }

    /// Some of what was appended is not in the file: the disk is full.
    var isBehind: Bool { !backlog.isEmpty }

    /// Writes what the disk had no room for, if it has it now.
    mutating func catchUp() throws(HostError) {
        guard isBehind else { return }
        do throws(HostError) { try HostFiles.writeAll(backlog, to: file, path: path) } catch {
            // What was written of it would hide everything after it.
            if ftruncate(file, off_t(byteCount)) < 0 || lseek(file, 0, SEEK_END) < 0 {
                throw .system(operation: "ftruncate", path: path, errorNumber: errno)
            }
            guard error.isDiskFull else { throw error }
            return
        }
        byteCount += backlog.count
        backlog = []
        needsSync = true
    }

    /// Everything that is in the file is on disk when this returns, unless the disk is full; then `needsSync` says so.
    mutating func sync() throws(HostError) {
        guard needsSync else { return }
        if fdatasync(file) < 0 {
            let error = HostError.system(operation: "fdatasync", path: path, errorNumber: errno)
            guard error.isDiskFull else { throw error }
            return
        }
        needsSync = false
    }

    var isDueForCompaction: Bool { byteCount > Self.compactionBytes && !isBehind }

    /// Starts over with only `records`; as it was where the disk is full.
    mutating func rewrite(_ records: [JournalRecord]) throws(HostError) {
        let bytes = records.flatMap { $0.framed() }
        do throws(HostError) { try HostFiles.replace(path, with: bytes) } catch {
            guard error.isDiskFull else { throw error }
            return
        }
        close(file)
        file = try HostFiles.open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        byteCount = bytes.count
        needsSync = false
    }
}
