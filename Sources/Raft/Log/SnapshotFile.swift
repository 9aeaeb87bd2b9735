import Codec
import Glibc

/// An open file of a snapshot, and the few calls on it that all who use one need.
struct SnapshotFile: ~Copyable {
    let path: String
    private let descriptor: Int32

    init(path: String, _ flags: Int32) throws(RaftLogError) {
        self.path = path
        descriptor = open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .snapshotFailed(path: path, systemError: errno) }
    }

    deinit { close(descriptor) }

    func byteCount() throws(RaftLogError) -> UInt64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure() }
        return UInt64(status.st_size)
    }

    /// Up to `count` bytes; fewer only at the end of the file.
    func read(_ count: Int, at position: UInt64) throws(RaftLogError) -> [UInt8] {
        var systemError: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count {
                let got = pread(descriptor, buffer.baseAddress! + done, count - done, off_t(position) + off_t(done))
                if got < 0, errno == EINTR { continue }
                if got < 0 { systemError = errno }
                if got <= 0 { break }
                done += got
            }
        }
        guard systemError == 0 else { throw .snapshotFailed(path: path, systemError: systemError) }
        return bytes
    }

    func write(_ bytes: [UInt8], at position: UInt64) throws(RaftLogError) {
        var done = 0
        while done < bytes.count {
            let put = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress! + done, bytes.count - done, off_t(position) + off_t(done))
            }
            if put < 0, errno == EINTR { continue }
            guard put > 0 else { throw failure() }
            done += put
        }
    }

    func truncate(to byteCount: UInt64) throws(RaftLogError) {
        guard ftruncate(descriptor, off_t(byteCount)) == 0 else { throw failure() }
    }

    /// Makes the bytes durable, not the name.
    func sync() throws(RaftLogError) {
        guard fdatasync(descriptor) == 0 else { throw failure() }
    }

    /// What is read soon, in order.
    func willReadAll() { posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL) }

    private func failure() -> RaftLogError { .snapshotFailed(path: path, systemError: errno) }

    /// Gives a file whose bytes are durable its name, durably.
    static func publish(_ from: String, as to: String, in directory: String) throws(RaftLogError) {
        guard rename(from, to) == 0 else { throw .snapshotFailed(path: to, systemError: errno) }
        try sync(directory: directory)
    }

    static func sync(directory: String) throws(RaftLogError) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .snapshotFailed(path: directory, systemError: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .snapshotFailed(path: directory, systemError: errno) }
    }
}
