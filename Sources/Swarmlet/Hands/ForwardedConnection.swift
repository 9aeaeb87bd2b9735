import CLinux
import Codec
import Glibc
import Node
import Ring

/// One connection to a port of a job: two threads, one for each direction, because either may have to wait.
final class ForwardedConnection: @unchecked Sendable {
    private let socket: Int32
    private let directory: DataDirectory
    private let request: HandRequest

    init(_ socket: Int32, _ directory: DataDirectory, _ request: HandRequest) {
        self.socket = socket
        self.directory = directory
        self.request = request
    }

    /// Carries bytes until both sides have said all; the answer is what went wrong before anything was carried.
    func run() -> CommandError? {
        defer { close(socket) }
        do throws(CommandError) {
            let client = try LocalClient(directory)
            try client.send(.hand(request))
            guard case .hand(.connected) = try client.reply() else {
                throw CommandError.badAnswer(reason: "another reply than a connection")
            }
            try carry(client)
            return nil
        } catch { return error }
    }

    private func carry(_ client: LocalClient) throws(CommandError) {
        let isDone = Handover(client)
        do throws(RingError) {
            let thread = try DedicatedThread("forward in")
            try thread.submit { [self] in
                send(isDone.client)
                isDone.finish()
            }
            thread.finish()
        } catch { throw .localFile(path: "a thread", reason: error.message) }
        defer {
            // Both threads end before what they share does.
            shutdown(socket, Int32(SHUT_RDWR))
            client.hangUp()
            isDone.wait()
        }
        while true {
            let reply: APIReply
            do throws(CommandError) { reply = try client.reply() } catch { return }
            guard case .hand(.bytes(_, let bytes)) = reply else { return }
            guard bytes.count > 0 else {
                shutdown(socket, Int32(SHUT_WR))
                return isDone.wait()
            }
            guard write(bytes.array) else { return }
        }
    }

    private func send(_ client: LocalClient) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard client.post(.handInput(.bytes(Bytes(Array(buffer.prefix(max(0, count))))))), count > 0 else { return }
        }
    }

    private func write(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            if count > 0 { done += count } else if errno != EINTR { return false }
        }
        return true
    }

    /// The connection, for the thread that sends, and word of its end.
    private final class Handover: @unchecked Sendable {
        let client: LocalClient
        private var ended = sem_t()

        init(_ client: LocalClient) {
            self.client = client
            sem_init(&ended, 0, 0)
        }

        func finish() { sem_post(&ended) }

        func wait() {
            while sem_wait(&ended) != 0 {}
            sem_post(&ended)
        }
    }
}
