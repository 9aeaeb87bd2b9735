import Glibc

/// Whole-file reads and writes with errors that name the file.
public enum HostFiles {
    /// The content of a file of at most `maximumBytes`; files of /proc and /sys, whose size is not known, included.
    public static func read(_ path: String, maximumBytes: Int = 1 << 20) throws(HostError) -> [UInt8] {
        let file = try open(path, O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while content.count < maximumBytes {
            let count = Glibc.read(file, &chunk, min(chunk.count, maximumBytes - content.count))
            if count < 0 && errno == EINTR { continue }
            if count < 0 { throw .system(operation: "read", path: path, errorNumber: errno) }
            if count == 0 { break }
            content += chunk[..<count]
        }
        return content
    }

    public static func readText(_ path: String, maximumBytes: Int = 1 << 20) throws(HostError) -> String {
        String(decoding: try read(path, maximumBytes: maximumBytes), as: UTF8.self)
    }

    /// Writes in one call, as files of /proc and cgroups want it.
    public static func write(_ text: String, to path: String, flags: Int32 = 0) throws(HostError) {
        let file = try open(path, O_WRONLY | O_CLOEXEC | flags, 0o600)
        defer { close(file) }
        try writeAll(Array(text.utf8), to: file, path: path)
    }

    public static func writeAll(_ bytes: [UInt8], to file: Int32, path: String) throws(HostError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + done, $0.count - done) }
            if count < 0 && errno == EINTR { continue }
            if count < 0 { throw .system(operation: "write", path: path, errorNumber: errno) }
            done += count
        }
    }

    /// A file that is there whole or not at all, also after a crash.
    public static func replace(_ path: String, with bytes: [UInt8]) throws(HostError) {
        let temporary = path + ".new"
        let file = try open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(file) }
        try writeAll(bytes, to: file, path: temporary)
        if fsync(file) < 0 { throw .system(operation: "fsync", path: temporary, errorNumber: errno) }
        if rename(temporary, path) < 0 { throw .system(operation: "rename", path: path, errorNumber: errno) }
    }

    public static func open(_ path: String, _ flags: Int32, _ mode: mode_t = 0) throws(HostError) -> Int32 {
        let file = Glibc.open(path, flags, mode)
        if file < 0 { throw .system(operation: "open", path: path, errorNumber: errno) }
        return file
    }

    /// Makes a directory and what is missing above it.
    public static func makeDirectories(_ path: String, mode: mode_t = 0o700) throws(HostError) {
        if mkdir(path, mode) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw .system(operation: "mkdir", path: path, errorNumber: errno)
        }
        try makeDirectories(String(path[..<slash]), mode: mode)
        if mkdir(path, mode) < 0 && errno != EEXIST {
            throw .system(operation: "mkdir", path: path, errorNumber: errno)
        }
    }

    /// The names in a directory, sorted, without `.` and `..`.
    public static func names(in path: String) throws(HostError) -> [String] {
        guard let directory = opendir(path) else {
            throw .system(operation: "opendir", path: path, errorNumber: errno)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}

extension HostFiles {
    /// Deletes a directory and everything below it; links are deleted, not followed.
    public static func removeTree(_ path: String) throws(HostError) {
        var facts = stat()
        if lstat(path, &facts) < 0 {
            if errno == ENOENT { return }
            throw .system(operation: "lstat", path: path, errorNumber: errno)
        }
        guard facts.st_mode & S_IFMT == S_IFDIR else {
            if unlink(path) < 0 { throw .system(operation: "unlink", path: path, errorNumber: errno) }
            return
        }
        for name in try names(in: path) { try removeTree("\(path)/\(name)") }
        if rmdir(path) < 0 { throw .system(operation: "rmdir", path: path, errorNumber: errno) }
    }
}
