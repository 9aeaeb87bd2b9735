import Glibc

/// What the file system says about one name, without following it.
struct FileStatus: Sendable {
    enum Kind: Hashable, Sendable {
        case file
        case directory
        case symlink
        /// A socket, pipe or device, in words.
        case special(String)
    }

    let kind: Kind
    let byteCount: UInt64
    /// That its file system has set aside for it.
    let allocatedBytes: UInt64
    let isExecutable: Bool
    /// Changes with every write; two readings that agree in it and in the size saw the same content.
    let modified: (seconds: Int, nanoseconds: Int)

    /// Whether reading it would last for ever: a job makes a file of a terabyte of nothing in no time.
    var isNothingButHoles: Bool { byteCount >= 1 << 30 && allocatedBytes < byteCount / 64 }

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .symlink
            case S_IFSOCK: .special("socket")
            case S_IFIFO: .special("named pipe")
            case S_IFCHR, S_IFBLK: .special("device")
            default: .special("special file")
            }
        byteCount = UInt64(max(0, status.st_size))
        // In blocks of 512 bytes, whatever the storage has (stat(2)).
        allocatedBytes = UInt64(clamping: status.st_blocks) * 512
        isExecutable = status.st_mode & S_IXUSR != 0
        modified = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
    }
}

/// The system's words for an error number.
func errorText(_ number: Int32) -> String {
    guard let text = strerror(number) else { return "error \(number)" }
    return String(cString: text)
}
