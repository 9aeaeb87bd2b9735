import Glibc

/// The program that this process runs.
enum Executable {
    /// Its path, so that processes it starts are seen by its name; where the file was replaced or is not to be reached
    /// any more, the kernel's own reference to it.
    static var path: String {
        let reference = "/proc/self/exe"
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(reference, &buffer, buffer.count - 1)
        guard count > 0 else { return reference }
        let path = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        var named = stat()
        var running = stat()
        guard stat(path, &named) == 0, stat(reference, &running) == 0, named.st_ino == running.st_ino,
            named.st_dev == running.st_dev
        else { return reference }
        return path
    }
}
