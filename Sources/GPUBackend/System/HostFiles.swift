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

    /// Without links, `.` and `..`; nil where nothing is there.
    public static func realPath(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(cString: found)
    }

    public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}

extension HostFiles {
    /// Deeper directories are moved up before they are deleted, so that no more than so many are open at once.
    private static let openDirectoriesMax = 32
    /// Somebody may be filling the directory as fast as it is emptied.
    private static let roundsMax = 10_000

    /// Deletes a directory and everything below it; links are deleted, not followed, whatever is renamed meanwhile by
    /// those who may write there.
    public static func removeTree(_ path: String) throws(HostError) {
        let root = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if root < 0 {
            if errno == ENOENT { return }
            guard errno == ENOTDIR || errno == ELOOP else {
                throw .system(operation: "open", path: path, errorNumber: errno)
            }
            if unlink(path) < 0 { throw .system(operation: "unlink", path: path, errorNumber: errno) }
            return
        }
        defer { close(root) }
        var moved = 0
        try removeContent(of: root, path, root: root, depth: 0, moved: &moved)
        // What was moved up stands in the root now, each time less deep than before.
        var rounds = 0
        while try !names(of: root, path).isEmpty {
            rounds += 1
            guard rounds <= roundsMax else { throw .system(operation: "rmdir", path: path, errorNumber: ENOTEMPTY) }
            try removeContent(of: root, path, root: root, depth: 0, moved: &moved)
        }
        if rmdir(path) < 0 { throw .system(operation: "rmdir", path: path, errorNumber: errno) }
    }

    private static func removeContent(
        of directory: Int32, _ path: String, root: Int32, depth: Int, moved: inout Int
    ) throws(HostError) {
        for name in try names(of: directory, path) {
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
            var inner = openat(directory, name, flags)
            if inner < 0, errno == EACCES, geteuid() != 0, fchmodat(directory, name, 0o700, 0) == 0 {
                inner = openat(directory, name, flags)
            }
            if inner < 0 {
                if errno == ENOENT { continue }
                guard errno == ENOTDIR || errno == ELOOP || errno == ENXIO else {
                    throw .system(operation: "open", path: "\(path)/\(text(name))", errorNumber: errno)
                }
                guard unlinkat(directory, name, 0) == 0 || errno == ENOENT else {
                    throw .system(operation: "unlink", path: "\(path)/\(text(name))", errorNumber: errno)
                }
                continue
            }
            defer { close(inner) }
            if depth == openDirectoriesMax {
                moved += 1
                guard renameat(directory, name, root, ".removed-\(getpid())-\(moved)") == 0 || errno == ENOENT else {
                    throw .system(operation: "rename", path: "\(path)/\(text(name))", errorNumber: errno)
                }
                continue
            }
            try removeContent(of: inner, "\(path)/\(text(name))", root: root, depth: depth + 1, moved: &moved)
            guard unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
                throw .system(operation: "rmdir", path: "\(path)/\(text(name))", errorNumber: errno)
            }
        }
    }

    static func text(_ name: [CChar]) -> String {
        String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The names in an open directory, as the bytes they are.
    static func names(of directory: Int32, _ path: String) throws(HostError) -> [[CChar]] {
        let copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw .system(operation: "open", path: path, errorNumber: errno) }
        guard let stream = fdopendir(copy) else {
            let number = errno
            close(copy)
            throw .system(operation: "opendir", path: path, errorNumber: number)
        }
        defer { closedir(stream) }
        var names: [[CChar]] = []
        while let entry = readdir(stream) {
            let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
            let start = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self)
            let name = Array(UnsafeBufferPointer(start: start, count: strlen(start) + 1))
            if name != [46, 0], name != [46, 46, 0] { names.append(name) }
        }
        return names
    }
}
