import CLinux
import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// A connection of somebody to a port of an attempt of this host: made by the attempt's first process, because the port may
/// be on a network of the attempt's own. Confined to its loop.
final class HandConnection: @unchecked Sendable {
    private let node: MeshNode
    private let stream: any MessageStream
    private let socket: Int32

    private static let patience = Interval.seconds(5)
    private static let pieceBytes = 64 * 1024

    private init(_ node: MeshNode, _ stream: any MessageStream, _ socket: Int32) {
        self.node = node
        self.stream = stream
        self.socket = socket
    }

    /// Connects, says so, and carries bytes both ways until both ends have nothing more to say.
    static func run(port: UInt16, of key: AttemptKey, _ node: MeshNode, _ stream: any MessageStream) async throws {
        let socket = try await open(port, of: key, node)
        defer { node.loop.close(socket) }
        try await node.loop.writable(socket, deadline: node.loop.after(patience))
        let error = clinux_socket_error(socket)
        guard error == 0 else { throw APIFailure(.portClosed(error), of: key) }
        try await stream.send(APIReply.hand(.connected).encoded())
        try await HandConnection(node, stream, socket).carry()
    }

    private static func open(_ port: UInt16, of key: AttemptKey, _ node: MeshNode) async throws -> Int32 {
        let pair = try SocketPair.make(bufferBytes: 4096)
        let isClosed = Flag()
        func closeNear() {
            guard !isClosed.isSet else { return }
            isClosed.isSet = true
            node.loop.close(pair.near)
        }
        let hand: Hand
        do { hand = try node.runner.begin(key, .connect(port: port), passing: [pair.far]) } catch {
            closeNear()
            throw error
        }
        hand.onEnd = closeNear
        defer {
            hand.onEnd = nil
            closeNear()
            node.runner.forget(hand)
        }
        do { try await node.loop.readable(pair.near, deadline: node.loop.after(patience)) } catch {
            if case .refused(let failure)? = hand.end { throw failure }
            throw error
        }
        var byte: UInt8 = 0
        var found: Int32 = -1
        var count = 0
        let received = clinux_receive_descriptors(pair.near, &byte, 1, &found, 1, &count)
        guard received == 1, count == 1 else {
            // The refusal is on its way over the supervisor.
            _ = try await hand.wait()
            throw MeshError.disconnected
        }
        return found
    }

    private final class Flag { var isSet = false }

    private func carry() async throws {
        let reader = node.loop.spawn("port of a job") { [self] in
            do {
                while let bytes = try await stream.receive() {
                    guard case .handInput(.bytes(let piece)) = try APIRequest(encoded: bytes, limits: APILimits.message)
                    else { break }
                    guard piece.count > 0 else {
                        shutdown(socket, Int32(SHUT_WR))
                        continue
                    }
                    try await node.loop.send(socket, piece.array, deadline: nil)
                }
            } catch {
                // Whichever side is gone, the other is told below.
            }
            shutdown(socket, Int32(SHUT_RDWR))
        }
        defer { reader.cancel() }
        while true {
            let bytes = try await node.loop.receive(socket, maximum: HandConnection.pieceBytes)
            try await stream.send(APIReply.hand(.bytes(stream: 1, Bytes(bytes))).encoded())
            if bytes.isEmpty { return await reader.value }
        }
    }
}
