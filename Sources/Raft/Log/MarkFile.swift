import CLinux
import Codec
import Glibc

/// The small file beside the log that remembers how far the log once reached, so that a hole in the log is not taken for
/// the end of it.
///
/// It holds two records that are written in turn, so that a torn write leaves the one before it: number of the log's
/// transaction, index, term, vote (0 for none), each 8 bytes little-endian, and the first 8 bytes of the BLAKE3 hash of
/// those.
final class MarkFile {
    private let path: String
    private let descriptor: Int32
    /// Number of the transaction that `mark` was written after; 0 where there is none.
    private(set) var sequence: UInt64 = 0
    /// The newest valid record.
    private(set) var mark: RaftMark?
    /// Records written since the last `sync`.
    private(set) var unsyncedWrites = 0

    private static let recordBytes = 40
    /// Apart by more than a sector, so that one torn sector cannot take both.
    private static let slotBytes = 4_096

    init(path: String) throws(RaftLogError) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .markFailed(path: path, systemError: errno) }
        try fill()
        for slot in 0..<2 {
            guard let (number, found) = try read(slot: slot), number > sequence else { continue }
            sequence = number
            mark = found
        }
    }

    deinit { close(descriptor) }

    /// Writes the record of a transaction that is durable; it reaches the disk some time later or with `sync`.
    func write(_ new: RaftMark, after transaction: UInt64) throws(RaftLogError) {
        sequence = transaction
        var record = [sequence, new.index, new.term, new.vote?.rawValue ?? 0].flatMap(Self.bytes)
        record += BLAKE3.hash(record).bytes.prefix(8)
        let offset = Int(sequence % 2) * Self.slotBytes
        let written = record.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, offset) }
        guard written == record.count else { throw .markFailed(path: path, systemError: errno) }
        mark = new
        unsyncedWrites += 1
        // Begins to write without waiting for it. The place has been on the disk before, so the file needs no other write
        // to hold it, and the disk makes it durable together with the log's next transaction: the mark lags by one.
        swarmlet_begin_writeback(descriptor, Int64(offset), Int64(Self.recordBytes))
    }

    /// Makes the last record durable.
    func sync() throws(RaftLogError) {
        guard unsyncedWrites > 0 else { return }
        guard fdatasync(descriptor) == 0 else { throw .markFailed(path: path, systemError: errno) }
        unsyncedWrites = 0
    }

    /// Gives a new file the size that it keeps, durably.
    private func fill() throws(RaftLogError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .markFailed(path: path, systemError: errno) }
        let count = 2 * Self.slotBytes - Int(status.st_size)
        guard count > 0 else { return }
        let zeros = [UInt8](repeating: 0, count: count)
        let written = zeros.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, count, off_t(status.st_size)) }
        guard written == count, fsync(descriptor) == 0 else { throw .markFailed(path: path, systemError: errno) }
        try SnapshotFile.sync(directory: String(path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)))
    }

    private func read(slot: Int) throws(RaftLogError) -> (sequence: UInt64, mark: RaftMark)? {
        var record = [UInt8](repeating: 0, count: Self.recordBytes)
        let count = record.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, slot * Self.slotBytes) }
        guard count >= 0 else { throw .markFailed(path: path, systemError: errno) }
        guard count == Self.recordBytes, Array(record[32...]) == Array(BLAKE3.hash(Array(record[..<32])).bytes[..<8])
        else { return nil }
        let words = (0..<4).map { Self.word(record[($0 * 8)..<($0 * 8 + 8)]) }
        return (words[0], RaftMark(index: words[1], term: words[2], vote: words[3] == 0 ? nil : NodeID(words[3])))
    }

    private static func bytes(_ word: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
