import Codec
import Foundation
import Node
import Synchronization
import Testing

/// A socket that answers as a test says, so that what the command line makes of any answer can be seen.
final class ScriptedDaemon: Sendable {
    let directory: String
    private let listener: Int32
    private let seen = Mutex<[APIRequest]>([])

    /// - Parameter answer: serves one call; the connection closes when it returns.
    init(_ answer: @escaping @Sendable (APIRequest, Call) throws -> Void) throws {
        directory = NSTemporaryDirectory() + "/swarmlet-scripted-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: (directory + "/socket").utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) }
        }
        guard bound == 0, listen(listener, 16) == 0 else { throw POSIXError(.EADDRINUSE) }
        // Not of this object's: its end is that of the loop.
        Thread.detachNewThread { [listener, weak self] in
            while case let connection = accept(listener, nil, nil), connection >= 0 {
                guard let daemon = self else { return }
                Thread.detachNewThread {
                    let call = Call(connection)
                    defer { close(connection) }
                    do {
                        while let request = try call.receive() {
                            daemon.seen.withLock { $0.append(request) }
                            try answer(request, call)
                            if call.isOver { return }
                        }
                    } catch {
                        Issue.record("the scripted daemon: \(error)")
                    }
                }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        do { try FileManager.default.removeItem(atPath: directory) } catch {}
    }

    /// Every request so far, in order.
    var requests: [APIRequest] { seen.withLock { $0 } }

    func run(_ words: [String], directory working: String? = nil) throws -> Binary.Outcome {
        try Binary.run(words, environment: ["SWARMLET_DATA_DIR": directory], directory: working)
    }

    /// One connection.
    final class Call: Sendable {
        private let connection: Int32
        private let over = Mutex(false)

        init(_ connection: Int32) { self.connection = connection }

        var isOver: Bool { over.withLock { $0 } }

        /// Answers and ends the call.
        func finish(_ reply: APIReply) throws {
            try send(reply)
            end()
        }

        func end() { over.withLock { $0 = true } }

        func send(_ reply: APIReply) throws {
            let message = reply.cbor.encoded()
            try sendRaw(withUnsafeBytes(of: UInt32(message.count).littleEndian) { Array($0) } + message)
        }

        func sendRaw(_ bytes: [UInt8]) throws {
            var done = 0
            while done < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Glibc.send(connection, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { throw POSIXError(.EPIPE) }
                done += count
            }
        }

        func receive() throws -> APIRequest? {
            guard let header = read(4) else { return nil }
            let length = header.reversed().reduce(0) { $0 << 8 | Int($1) }
            guard let body = read(length) else { return nil }
            return try APIRequest(cbor: try CBOR.decode(body))
        }

        private func read(_ count: Int) -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: count)
            var done = 0
            while done < count {
                let got = bytes.withUnsafeMutableBytes { recv(connection, $0.baseAddress! + done, count - done, 0) }
                guard got > 0 else { return nil }
                done += got
            }
            return bytes
        }
    }
}
