import CLinux
import Glibc

/// The daemon at the other end of a supervisor's socket.
final class SupervisorPeer {
    let socket: Int32
    var frames = SupervisorFrames<SupervisorRequest>()
    /// It said hello.
    var isWelcome = false
    /// What it speaks.
    var version: UInt32 = 1
    /// What came beside its messages, in the same order.
    private var descriptors: [Int32] = []
    private var output: [UInt8] = []
    private var sent = 0
    /// A daemon that takes nothing for so long is cut off: on its return everything is repeated.
    private static let outputMaximum = 16 << 20

    init(socket: Int32) { self.socket = socket }

    var hasOutput: Bool { sent < output.count }

    var hasInput: Bool {
        var polled = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, 0) > 0
    }

    /// Whether it waits for the ends of setup commands.
    var knowsSetups: Bool { isWelcome && version >= 3 }

    func understands(_ event: SupervisorEvent) -> Bool {
        if case .setupEnded = event { return version >= 3 }
        return true
    }

    func send(_ event: SupervisorEvent) { output += SupervisorFrames.frame(event) }

    /// Writes what the socket takes; false when the connection is of no more use.
    func write() -> Bool {
        while hasOutput {
            let count = output.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN { return output.count - sent <= Self.outputMaximum }
            if count < 0 { return false }
            sent += count
        }
        output.removeAll(keepingCapacity: output.count < 1 << 16)
        sent = 0
        return true
    }

    /// Takes what is there into `frames`; false at the end.
    func receive(buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Bool {
        var found = [Int32](repeating: -1, count: 16)
        var foundCount = 0
        let count = clinux_receive_descriptors(
            socket, buffer.baseAddress, min(buffer.count, 65536), &found, found.count, &foundCount)
        descriptors += found.prefix(foundCount)
        if count > 0 {
            frames.append(buffer[..<count])
            return true
        }
        if count == 0 { return false }
        if count == -Int(EAGAIN) { return true }
        throw .system(operation: "recvmsg", path: "supervisor socket", errorNumber: Int32(-count))
    }

    /// Those that came with a message; nil where they are missing.
    func takeDescriptors(_ count: Int) -> [Int32]? {
        guard descriptors.count >= count else { return nil }
        defer { descriptors.removeFirst(count) }
        return Array(descriptors.prefix(count))
    }

    func close() {
        for descriptor in descriptors { Glibc.close(descriptor) }
        Glibc.close(socket)
    }
}
