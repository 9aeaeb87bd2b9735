import Codec
import GPUBackend
import Glibc
import Ring
import Scheduler
import Tokens

/// Whom this node turned away, when, from where and why: what it alone knows. A line each, chained to the one before it
/// (`LineChain`), in two files of a bounded size. The mesh is told where it ends (`Command.anchored`), so that whoever
/// alters it afterwards, be it root, is found out by `audit verify`. Confined to its loop.
///
/// However much is refused, it is a few lines a second; the rest is counted in the next one.
final class RefusalLog {
    /// One that was turned away.
    struct Refusal {
        /// Where it was: `guest`, `join`, `member`, `here`.
        let door: String
        /// Why, as a stable code.
        let code: String
        /// Whose it was: an address, a member's or a user's name.
        let from: String
        /// The name of the token that was shown, where it is known.
        var token: String?
    }

    /// Bytes of each of the two files.
    static let limitBytes = 4 << 20
    private static let linesPerSecond = 5

    private let path: String
    private let limitBytes: Int
    /// -1: nothing has been written yet.
    private var file: Int32 = -1
    private var byteCount = 0
    private var chain = LineChain()
    /// Up to here the mesh knows it.
    private var told = LineChain()
    /// Why nothing is written any more; nil while all is well.
    private(set) var failure: String?
    private var second: Int64 = 0
    private var linesOfSecond = 0
    private var unwritten: Int64 = 0

    init(path: String, limitBytes: Int = RefusalLog.limitBytes) {
        self.path = path
        self.limitBytes = limitBytes
    }

    deinit { if file >= 0 { close(file) } }

    private var former: String { path + ".1" }

    /// Goes on from what is there.
    ///
    /// - Parameter anchor: the end that the mesh was told last. What has gone since leaves a gap that `audit verify` names.
    func begin(after anchor: LineChain?) {
        precondition(file < 0, "it begins once")
        do throws(HostError) {
            let last = try openAtEnd()
            let line = if let last { last } else { try RefusalLog.lastLine(of: former) }
            chain = line.flatMap { LineChain(endingWith: $0) } ?? LineChain()
            if let anchor, anchor.count > chain.count { chain = anchor }
            told = anchor ?? LineChain()
        } catch {
            fail(error)
        }
    }

    /// Writes it, or counts it where there were too many in this second.
    ///
    /// - Parameter time: nanoseconds since the Unix epoch.
    func note(_ refusal: Refusal, at time: Int64) {
        guard file >= 0, failure == nil else { return }
        if time / 1_000_000_000 != second { (second, linesOfSecond) = (time / 1_000_000_000, 0) }
        guard linesOfSecond < RefusalLog.linesPerSecond else { return unwritten += 1 }
        linesOfSecond += 1
        var members: [(key: String, value: JSON)] = [
            ("t", .string(RFC3339.format(time, fractionDigits: 3))), ("door", .string(refusal.door)),
            ("code", .string(refusal.code)), ("from", .string(refusal.from)),
        ]
        if let token = refusal.token { members.append(("token", .string(token))) }
        if unwritten > 0 { members.append(("others", .integer(unwritten))) }
        do throws(HostError) {
            if byteCount >= limitBytes { try rotate() }
            var next = chain
            let line = next.append(members) + [UInt8(ascii: "\n")]
            try write(line)
            chain = next
            unwritten = 0
        } catch {
            fail(error)
        }
    }

    /// Whether the mesh does not know its end.
    var isUntold: Bool { file >= 0 && chain.count > told.count }

    /// Its end, once all before it is durable; nil where that failed.
    func settle(on loop: any EventLoop) async -> LineChain? {
        guard file >= 0 else { return nil }
        let (end, copy) = (chain, fcntl(file, F_DUPFD_CLOEXEC, 0))
        // Meanwhile more may be written, or the file may be the former one.
        let errorNumber =
            copy < 0
            ? errno
            : await loop.offload {
                defer { close(copy) }
                return fdatasync(copy) < 0 ? errno : 0
            }
        guard errorNumber == 0 else {
            fail(.system(operation: "fdatasync", path: path, errorNumber: errorNumber))
            return nil
        }
        return end
    }

    func hasTold(_ chain: LineChain) { told = chain }

    private func fail(_ error: HostError) {
        failure = error.message
        if file >= 0 { close(file) }
        file = -1
    }

    // MARK: Files

    /// Opens it for appending behind its last whole line, which it returns; nil where there is none.
    private func openAtEnd() throws(HostError) -> [UInt8]? {
        file = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .system(operation: "open", path: path, errorNumber: errno) }
        let (last, end) = try RefusalLog.tail(file, path)
        // What a kill has left of a line was told to nobody.
        guard ftruncate(file, off_t(end)) == 0 else {
            throw .system(operation: "ftruncate", path: path, errorNumber: errno)
        }
        byteCount = end
        return last
    }

    private static func lastLine(of path: String) throws(HostError) -> [UInt8]? {
        let file = open(path, readOnly)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw .system(operation: "open", path: path, errorNumber: errno)
        }
        defer { close(file) }
        return try tail(file, path).last
    }

    /// The last whole line, and where it ends, its line feed counted.
    private static func tail(_ file: Int32, _ path: String) throws(HostError) -> (last: [UInt8]?, end: Int) {
        let size = Int(lseek(file, 0, SEEK_END))
        guard size >= 0 else { throw .system(operation: "lseek", path: path, errorNumber: errno) }
        // Longer than any line.
        let start = max(0, size - 64 << 10)
        var bytes = [UInt8](repeating: 0, count: size - start)
        let count = pread(file, &bytes, bytes.count, off_t(start))
        guard count == bytes.count else { throw .system(operation: "read", path: path, errorNumber: errno) }
        guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return (nil, 0) }
        let before = bytes[..<end].lastIndex(of: UInt8(ascii: "\n"))
        return (Array(bytes[(before.map { $0 + 1 } ?? 0)..<end]), start + end + 1)
    }

    /// Goes through what is kept.
    ///
    /// - Parameter ends: what the mesh was told of it.
    static func check(
        _ path: String, against ends: [LineChain], limitBytes: Int = RefusalLog.limitBytes
    ) throws(HostError) -> LineChainCheck {
        let files = both(path)
        defer { for file in files { close(file) } }
        // It begins later than with its first line only where a full file was let go, and then the next one is full, too.
        var facts = stat()
        let isFull = files.count == 2 && fstat(files[0], &facts) == 0 && Int(facts.st_size) >= limitBytes
        var check = LineChainCheck(anchors: ends, mayBeginLater: isFull)
        for file in files {
            for line in try content(file, path).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                // Behind the last line feed there is nothing, or what is being written.
                .dropLast()
            { check.take(Array(line)) }
        }
        check.finish()
        return check
    }

    /// Those that there are, the former one first; also while one becomes the other.
    private static func both(_ path: String) -> [Int32] {
        while true {
            let files = (former: open(path + ".1", readOnly), now: open(path, readOnly))
            var (opened, named) = (stat(), stat())
            let isThere = stat(path + ".1", &named) == 0
            // In between another one may have got this name.
            if isThere == (files.former >= 0),
                !isThere || fstat(files.former, &opened) == 0 && opened.st_ino == named.st_ino
            {
                return [files.former, files.now].filter { $0 >= 0 }
            }
            for file in [files.former, files.now] where file >= 0 { close(file) }
        }
    }

    private static let readOnly = O_RDONLY | O_NOFOLLOW | O_CLOEXEC

    private static func content(_ file: Int32, _ path: String) throws(HostError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(file, &piece, piece.count)
            guard count >= 0 else { throw .system(operation: "read", path: path, errorNumber: errno) }
            guard count > 0 else { return bytes }
            bytes += piece[..<count]
        }
    }

    private func write(_ line: [UInt8]) throws(HostError) {
        let written = Glibc.write(file, line, line.count)
        guard written == line.count else {
            throw .system(operation: "write", path: path, errorNumber: written < 0 ? errno : ENOSPC)
        }
        byteCount += written
    }

    /// The file becomes the former one, which goes; the first line of the new one says the hash of its last.
    private func rotate() throws(HostError) {
        guard fdatasync(file) == 0, rename(path, former) == 0 else {
            throw .system(operation: "rename", path: path, errorNumber: errno)
        }
        close(file)
        file = -1
        _ = try openAtEnd()
    }
}
