import Codec
import GPUBackend
import Glibc
import Ring

/// What the daemon writes about its work: one line an event on stderr, which `up` and `join` lead to `daemon.log`.
///
/// Where stderr is that file, it does not grow without bound: when it is full it becomes `daemon.log.1`, the one of this
/// name before goes, and the new one begins with a line that says so. What a service manager collects is its own to bound.
public struct DaemonLog: Sendable {
    private let path: String?
    private let descriptor: Int32
    private let limitBytes: Int

    /// Bytes of each of the two files.
    static let limitBytes = 8 << 20

    /// - Parameter path: the file that stderr may have been led to.
    public init(path: String? = nil) { self.init(path: path, descriptor: STDERR_FILENO, limitBytes: Self.limitBytes) }

    init(path: String?, descriptor: Int32, limitBytes: Int) {
        self.path = path
        self.descriptor = descriptor
        self.limitBytes = limitBytes
    }

    /// Something that an operator may want to read afterwards.
    public func note(_ text: String) { write(text) }

    /// Something that an operator should look at.
    public func warning(_ text: String) { write("warning: \(text)") }

    private func write(_ text: String) {
        beginAnewIfFull()
        append(text)
    }

    private func append(_ text: String) {
        let time = RFC3339.format(EventLoops.wallClock.nanoseconds, fractionDigits: 3)
        let line = Array("\(time) \(text)\n".utf8)
        // A log that cannot be written has nobody to be told.
        _ = line.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }

    private func beginAnewIfFull() {
        var written = stat()
        guard let path, fstat(descriptor, &written) == 0, written.st_mode & S_IFMT == S_IFREG,
            written.st_size >= off_t(limitBytes)
        else { return }
        var named = stat()
        // Somebody else's file, or one that was moved away: not ours to touch.
        guard stat(path, &named) == 0, named.st_ino == written.st_ino, named.st_dev == written.st_dev else { return }
        let before = path + ".1"
        var dropped = stat()
        let droppedBytes = stat(before, &dropped) == 0 ? Int(dropped.st_size) : 0
        guard rename(path, before) == 0 else { return }
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        // Without a new file the old one goes on, under its new name.
        guard file >= 0 else { return }
        dup2(file, descriptor)
        close(file)
        let gone = droppedBytes > 0 ? "; \(ByteSize.text(UInt64(droppedBytes))) before that are no longer kept" : ""
        append("this log goes on from \(before)\(gone)")
    }
}
