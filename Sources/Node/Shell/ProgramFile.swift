import CLinux
import Codec
import GPUBackend
import Glibc
import Scheduler

/// Files that are programs. Blocking: not for the loop.
public enum ProgramFile {
    private static let pieceBytes = 1 << 20
    /// Of a host that is very busy.
    private static let testMilliseconds: Int32 = 20_000

    /// The BLAKE3 digest of its content.
    public static func digest(_ path: String) throws(HostError) -> Digest {
        var hasher = BLAKE3()
        try read(path) { piece throws(HostError) in hasher.update(piece) }
        return hasher.finalize()
    }

    /// Writes an executable file that is there whole or not at all.
    public static func write(
        to path: String, _ content: ((ArraySlice<UInt8>) throws(HostError) -> Void) throws -> Void
    ) throws {
        let temporary = "\(path).\(getpid())"
        let file = try HostFiles.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o755)
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
            try read(source) { piece throws(HostError) in try put(piece) }
        }
    }

    /// Gives it another name, in one step and for good.
    public static func rename(_ path: String, to name: String) throws(HostError) {
        if Glibc.rename(path, name) < 0 { throw .system(operation: "rename", path: path, errorNumber: errno) }
        let directory = String(name[..<(name.lastIndex(of: "/") ?? name.startIndex)])
        let handle = try HostFiles.open(directory.isEmpty ? "/" : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        fsync(handle)
        close(handle)
    }

    private static func read(
        _ path: String, _ take: (ArraySlice<UInt8>) throws(HostError) -> Void
    ) throws(HostError) {
        let file = try HostFiles.open(path, O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        var piece = [UInt8](repeating: 0, count: pieceBytes)
        while true {
            let count = Glibc.read(file, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw .system(operation: "read", path: path, errorNumber: errno) }
            if count == 0 { return }
            try take(piece[..<count])
        }
    }

    /// Lets the program test itself; which levels of the protocol it speaks, or nil and why it is no swarmlet for this host.
    static func levels(of path: String) -> (levels: ProtocolLevels?, reason: String) {
        var answer = [CChar](repeating: 0, count: 1024)
        let code = clinux_question_program(path, SelfTest.word, &answer, Int32(answer.count), testMilliseconds)
        guard code >= 0 else {
            return (nil, code == -ETIME ? "it has not tested itself in 20 s" : String(cString: strerror(-code)))
        }
        let text = String(decoding: answer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let lines = text.split(separator: "\n")
        guard code == 0 else {
            return (nil, lines.last.map { String($0) } ?? "it exits with \(code) when it tests itself")
        }
        guard lines.count >= 2, lines[0].hasPrefix("swarmlet "), lines[1].hasPrefix("levels "),
            let levels = ProtocolLevels(String(lines[1].dropFirst(7)))
        else { return (nil, "it is no swarmlet that can take over") }
        return (levels, "")
    }
}
