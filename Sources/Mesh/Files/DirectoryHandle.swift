import Glibc

/// An open directory. All names below a tree's root are reached through handles, one name at a time and without
/// following symbolic links, so that nobody who can write in the tree can lead a privileged reader or writer out of it.
final class DirectoryHandle {
    let descriptor: Int32
    /// For error messages only.
    let path: String

    /// Opens a root directory; symbolic links in its own path are followed.
    ///
    /// Throws `notFound`, `notDirectory` or `unreadable`.
    init(path: String) throws(TransferError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.openError(errno, path) }
        self.descriptor = descriptor
        self.path = path
    }

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    func path(of name: String) -> String { path == "/" ? "/" + name : path + "/" + name }

    /// Opens a directory inside this one; a symbolic link is refused as `notDirectory`.
    func directory(_ name: String) throws(TransferError) -> DirectoryHandle {
        let inner = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard inner >= 0 else { throw Self.openError(errno, path(of: name)) }
        return DirectoryHandle(descriptor: inner, path: path(of: name))
    }

    /// What stands under `name`, or nil.
    func status(_ name: String) throws(TransferError) -> FileStatus? {
        var status = stat()
        guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return nil }
            throw .unreadable(path(of: name), reason: errorText(errno))
        }
        return FileStatus(status)
    }

    /// What a symbolic link says. Throws `nameNotText` where that is not UTF-8.
    func target(of name: String) throws(TransferError) -> String {
        var buffer = [UInt8](repeating: 0, count: TransferConstants.pathBytesMax + 1)
        let count = buffer.withUnsafeMutableBytes { bytes in
            readlinkat(descriptor, name, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard count >= 0 else { throw .unreadable(path(of: name), reason: errorText(errno)) }
        guard let text = String(validating: buffer.prefix(count), as: UTF8.self) else {
            throw .nameNotText(path(of: name))
        }
        return text
    }

    /// Opens a regular file for reading; anything else is refused, and a pipe is not waited for.
    func file(_ name: String) throws(TransferError) -> OpenFile {
        let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard file >= 0 else { throw Self.openError(errno, path(of: name)) }
        return OpenFile(descriptor: file, path: path(of: name))
    }

    /// All names but `.` and `..`, as bytes, sorted by them.
    func names() throws(TransferError) -> [[UInt8]] {
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw .unreadable(path, reason: errorText(errno)) }
        guard let stream = fdopendir(copy) else {
            let number = errno
            close(copy)
            throw .unreadable(path, reason: errorText(number))
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw .unreadable(path, reason: errorText(errno)) }
                break
            }
            let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
            let start = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: UInt8.self)
            let count = strlen(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self))
            let name = Array(UnsafeBufferPointer(start: start, count: count))
            if name != [dot], name != [dot, dot] { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private var dot: UInt8 { UInt8(ascii: ".") }

    private static func openError(_ number: Int32, _ path: String) -> TransferError {
        switch number {
        case ENOENT: .notFound(path)
        case ENOTDIR, ELOOP: .notDirectory(path)
        default: .unreadable(path, reason: errorText(number))
        }
    }
}
