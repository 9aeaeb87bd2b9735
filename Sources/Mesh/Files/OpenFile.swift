import Codec
import Glibc

/// An open regular file that is read in chunks.
final class OpenFile {
    private let descriptor: Int32
    private let path: String

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    func status() throws(TransferError) -> FileStatus {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path, reason: errorText(errno)) }
        return FileStatus(status)
    }

    /// Up to `count` bytes from `offset`; fewer only at the end of the file.
    func read(offset: UInt64, count: Int) throws(TransferError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(descriptor, buffer.baseAddress! + filled, count - filled, off_t(offset) + off_t(filled))
                if got > 0 {
                    filled += got
                } else if got == 0 {
                    break
                } else if errno != EINTR {
                    failure = errno
                    break
                }
            }
        }
        guard failure == 0 else { throw .unreadable(path, reason: errorText(failure)) }
        return bytes
    }

    /// Reads the whole file in chunks of at most 4 MiB, hands each with its digest to `body` and returns what a manifest
    /// says of it. Throws `special` where it is no regular file and `changed` where it was written to meanwhile.
    func chunks(
        _ body: (Digest, [UInt8]) throws(TransferError) -> Void
    ) throws(TransferError) -> Manifest.File {
        let before = try status()
        guard before.kind == .file else {
            if case .special(let kind) = before.kind { throw .special(path, kind) }
            throw .changed(path)
        }
        var digests: [Digest] = []
        var offset: UInt64 = 0
        while offset < before.byteCount {
            let count = Int(min(UInt64(TransferConstants.chunkBytes), before.byteCount - offset))
            let bytes = try read(offset: offset, count: count)
            guard bytes.count == count else { throw .changed(path) }
            let digest = BLAKE3.hash(bytes)
            try body(digest, bytes)
            digests.append(digest)
            offset += UInt64(count)
        }
        let after = try status()
        guard after.byteCount == before.byteCount, after.modified == before.modified else { throw .changed(path) }
        return Manifest.File(byteCount: before.byteCount, isExecutable: before.isExecutable, chunks: digests)
    }
}
