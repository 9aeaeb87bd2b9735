import Codec
import Glibc
import Ring
import Testing

@testable import Mesh

@Suite("Local message streams", .timeLimit(.minutes(1)))
struct SocketMessageStreamTests {
    /// A connected pair over a unix socket in a directory of its own.
    private func withPair(
        _ backend: EventLoops.Preference,
        _ body: @escaping @Sendable (any EventLoop, SocketMessageStream, Int32) async throws -> Void
    ) async throws {
        try await withSessionLoop(backend) { loop in
            var template = Array("/tmp/swarmlet-test-XXXXXX".utf8CString)
            let directory = String(cString: try #require(mkdtemp(&template)))
            let path = directory + "/socket"
            let listener = try Listener(.unix(path))
            let client = try await SocketMessageStream.connect(loop, path: path)
            let accepted = try await loop.accept(listener)
            try await body(loop, client, accepted.socket)
            client.cancel()
            loop.close(listener.descriptor)
            unlink(path)
            rmdir(directory)
        }
    }

    @Test("messages go both ways and an end is seen as one", arguments: sessionBackends)
    func conversation(_ backend: EventLoops.Preference) async throws {
        try await withPair(backend) { loop, client, socket in
            let server = SocketMessageStream(loop, socket: socket)
            #expect(try server.peerCredentials().user == getuid())
            let echo = loop.spawn("echo") {
                let error = await meshFailure { () throws(MeshError) in
                    while let message = try await server.receive() { try await server.send(message) }
                }
                #expect(error == nil)
                await server.finish()
            }
            for size in [0, 1, 70_000, 2_000_000] {
                let message = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
                try await client.send(message)
                #expect(try await client.receive() == message)
            }
            await client.finish()
            #expect(try await client.receive() == nil)
            await echo.value
            server.cancel()
            #expect(await meshFailure { () throws(MeshError) in try await client.send([1]) } == .closed)
        }
    }

    @Test("a frame that claims too much is refused before anything is held", arguments: sessionBackends)
    func oversize(_ backend: EventLoops.Preference) async throws {
        try await withPair(backend) { loop, client, socket in
            try await loop.send(socket, [0xFF, 0xFF, 0xFF, 0xFF])
            let error = await meshFailure { () throws(MeshError) in _ = try await client.receive() }
            #expect(error == .frameTooLong(Int(UInt32.max)))
            loop.close(socket)
        }
    }

    @Test("a message cut off by the end of the connection is an error, not an end", arguments: sessionBackends)
    func cutOff(_ backend: EventLoops.Preference) async throws {
        try await withPair(backend) { loop, client, socket in
            try await loop.send(socket, [5, 0, 0, 0, 1, 2])
            loop.close(socket)
            #expect(await meshFailure { () throws(MeshError) in _ = try await client.receive() } == .disconnected)
        }
    }

    @Test("without a daemon the connection is refused by name", arguments: sessionBackends)
    func nobody(_ backend: EventLoops.Preference) async throws {
        try await withSessionLoop(backend) { loop in
            let path = "/tmp/swarmlet-no-such-socket"
            let error = await meshFailure { () throws(MeshError) in
                _ = try await SocketMessageStream.connect(loop, path: path)
            }
            #expect(error == .connectRefused("unix:\(path)"))
        }
    }
}
