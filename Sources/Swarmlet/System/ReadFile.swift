import Glibc

/// Reads small inputs whole, up to a limit.
enum ReadFile {
    static func whole(_ path: String, limitBytes: Int) throws(CommandError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadableInput(what: path, reason: SystemError.text(errno)) }
        defer { close(descriptor) }
        return try read(descriptor, path, limitBytes)
    }

    static func standardInput(limitBytes: Int) throws(CommandError) -> [UInt8] { try read(0, "stdin", limitBytes) }

    private static func read(_ descriptor: Int32, _ what: String, _ limitBytes: Int) throws(CommandError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw .unreadableInput(what: what, reason: SystemError.text(errno))
            }
            bytes.append(contentsOf: buffer[..<count])
            guard bytes.count <= limitBytes else {
                throw .unreadableInput(what: what, reason: "it is longer than \(limitBytes) bytes")
            }
        }
    }
}
