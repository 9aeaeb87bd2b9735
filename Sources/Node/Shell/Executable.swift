import Glibc

/// The program that this process runs.
enum Executable {
    /// Where it was when this process began, whatever is there now.
    static let installedPath: String = {
        let path = link ?? reference
        let mark = " (deleted)"
        return path.hasSuffix(mark) ? String(path.dropLast(mark.utf8.count)) : path
    }()

    /// The kernel's own way to it, which leads to the program that runs also when its file was replaced.
    static let reference = "/proc/self/exe"

    /// Its path, so that processes it starts are seen by its name; where the file was replaced or is not to be reached
    /// any more, the kernel's own reference to it.
    static var path: String {
        guard let path = link else { return reference }
        var named = stat()
        var running = stat()
        guard stat(path, &named) == 0, stat(reference, &running) == 0, named.st_ino == running.st_ino,
            named.st_dev == running.st_dev
        else { return reference }
        return path
    }

    private static var link: String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(reference, &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
