import CLinux
import Codec
import GPUBackend
import Glibc
import Scheduler
import Tokens

/// Files that are programs. Blocking: not for the loop.
public enum ProgramFile {
    private static let pieceBytes = 1 << 20
    /// Of a host that is very busy.
    private static let testMilliseconds: Int32 = 20_000

    /// The BLAKE3 digest of its content.
    public static func digest(_ path: String) throws(HostError) -> Digest {
        let file = try HostFiles.open(path, O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        return try digest(of: file, path)
    }

    private static func digest(of file: Int32, _ path: String) throws(HostError) -> Digest {
        var hasher = BLAKE3()
        try read(file, path) { piece throws(HostError) in hasher.update(piece) }
        return hasher.finalize()
    }

    /// Gives a program another name where it is the one of that digest: the file that was hashed is the one that has the name
    /// then.
    ///
    /// - Returns: whether it is; where it is not, but has the name all the same, what was there before is to be put back.
    static func place(_ staged: String, at path: String, ifItIs digest: Digest) throws(HostError) -> Bool {
        let file = try HostFiles.open(staged, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        defer { close(file) }
        guard try ProgramFile.digest(of: file, staged) == digest else { return false }
        try rename(staged, to: path)
        var hashed = stat()
        var placed = stat()
        guard fstat(file, &hashed) == 0, lstat(path, &placed) == 0 else {
            throw .system(operation: "stat", path: path, errorNumber: errno)
        }
        return hashed.st_ino == placed.st_ino && hashed.st_dev == placed.st_dev
    }

    /// Writes an executable file that is there whole or not at all.
    public static func write(
        to path: String, _ content: ((ArraySlice<UInt8>) throws(HostError) -> Void) throws -> Void
    ) throws {
        let temporary = "\(path).\(getpid())"
        // One that somebody else has made stays in his hands.
        unlink(temporary)
        let file = try HostFiles.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o755)
        do {
            defer { close(file) }
            try content { piece throws(HostError) in
                try HostFiles.writeAll(Array(piece), to: file, path: temporary)
            }
            // The umask of a daemon lets nobody else in.
            if fchmod(file, 0o755) < 0 || fsync(file) < 0 {
                throw HostError.system(operation: "write", path: temporary, errorNumber: errno)
            }
        } catch {
            unlink(temporary)
            throw error
        }
        try rename(temporary, to: path)
    }

    /// Copies a program, also one whose file has no name any more.
    public static func copy(_ source: String, to path: String) throws {
        try write(to: path) { put in
            let file = try HostFiles.open(source, O_RDONLY | O_CLOEXEC)
            defer { close(file) }
            try read(file, source) { piece throws(HostError) in try put(piece) }
        }
    }

    /// Gives it another name, in one step and for good.
    public static func rename(_ path: String, to name: String) throws(HostError) {
        if Glibc.rename(path, name) < 0 { throw .system(operation: "rename", path: path, errorNumber: errno) }
        let directory = String(name[..<(name.lastIndex(of: "/") ?? name.startIndex)])
        let handle = try HostFiles.open(directory.isEmpty ? "/" : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(handle) }
        if fsync(handle) < 0 { throw .system(operation: "fsync", path: directory, errorNumber: errno) }
    }

    private static func read(
        _ file: Int32, _ path: String, _ take: (ArraySlice<UInt8>) throws(HostError) -> Void
    ) throws(HostError) {
        var piece = [UInt8](repeating: 0, count: pieceBytes)
        while true {
            let count = Glibc.read(file, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw .system(operation: "read", path: path, errorNumber: errno) }
            if count == 0 { return }
            try take(piece[..<count])
        }
    }

    /// What a program says of itself.
    struct Test: Sendable {
        var version: ProgramVersion
        var levels: ProtocolLevels
    }

    /// Lets the program test itself; what it says, or nil and why it is no swarmlet for this host.
    static func test(_ path: String) -> (test: Test?, reason: String) {
        var answer = [CChar](repeating: 0, count: 1024)
        let code = clinux_question_program(path, SelfTest.word, nil, &answer, Int32(answer.count), testMilliseconds)
        guard code >= 0 else {
            return (nil, code == -ETIME ? "it has not tested itself in 20 s" : String(cString: strerror(-code)))
        }
        let text = String(decoding: answer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let lines = text.split(separator: "\n")
        guard code == 0 else {
            return (nil, lines.last.map { String($0) } ?? "it exits with \(code) when it tests itself")
        }
        guard lines.count >= 2, lines[0].hasPrefix("swarmlet "), lines[1].hasPrefix("levels "),
            let version = ProgramVersion(String(lines[0].dropFirst(9))),
            let levels = ProtocolLevels(String(lines[1].dropFirst(7)))
        else { return (nil, "it is no swarmlet that can take over") }
        return (Test(version: version, levels: levels), "")
    }
}
