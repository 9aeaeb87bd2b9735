import Codec
import Ring

@testable import Mesh

/// The backends under test: every claim holds on both.
let sessionBackends: [EventLoops.Preference] = [.epoll, .ioUring]

/// Runs a test's body as a task of a fresh loop on a thread of its own, then stops the loop and waits for its end.
func withSessionLoop(
    _ backend: EventLoops.Preference, _ body: @escaping @Sendable (any EventLoop) async throws -> Void
) async throws {
    let loop = try EventLoops.make(preferring: backend)
    let thread = try DedicatedThread("test-loop")
    let (ended, end) = AsyncStream.makeStream(of: Void.self)
    try thread.submit {
        loop.run()
        end.finish()
    }
    let result = await Task(executorPreference: loop) { try await body(loop) }.result
    loop.stop()
    for await _ in ended {}
    try result.get()
}

/// A value that several tasks of one loop share in a test.
final class Cell<Value>: @unchecked Sendable {
    var value: Value
    init(_ value: Value) { self.value = value }
}

/// What an operation threw, if it threw.
func meshFailure(_ body: () async throws(MeshError) -> Void) async -> MeshError? {
    do throws(MeshError) {
        try await body()
        return nil
    } catch {
        return error
    }
}

/// A host with its key, as the tests need it.
struct TestHost: Sendable {
    let key = NoiseKeyPair.generate()
    let name: String
    let meshID: [UInt8]?

    init(_ name: String, meshID: [UInt8]? = [1, 2, 3]) {
        self.name = name
        self.meshID = meshID
    }

    func configuration(
        _ validate: @escaping @Sendable (SessionClaim) async -> SessionVerdict = { _ in .accept }
    ) -> SessionConfiguration {
        SessionConfiguration(staticKey: key, meshID: meshID, payload: Array(name.utf8), validate: validate)
    }
}

/// Two hosts with a session between them.
final class SessionPair: @unchecked Sendable {
    let near: Session
    let far: Session
    let listener: SessionListener

    init(_ near: Session, _ far: Session, _ listener: SessionListener) {
        self.near = near
        self.far = far
        self.listener = listener
    }

    /// `changing` may adjust the configuration of both hosts.
    static func make(
        _ loop: any EventLoop, changing: (inout SessionConfiguration) -> Void = { _ in }
    ) async throws -> SessionPair {
        let (client, server) = (TestHost("client"), TestHost("server"))
        let arrived = LoopQueue<Session>(loop, capacity: 1)
        var (near, far) = (client.configuration(), server.configuration())
        changing(&near)
        changing(&far)
        let listener = try SessionListener(loop, .loopback(port: 0), far) { _ = arrived.offer($0) }
        let session = try await Session.connect(
            loop, to: listener.address, remoteKey: server.key.publicKey, near)
        guard let other = try await arrived.next(until: loop.after(.seconds(10))) else { throw MeshError.closed }
        return SessionPair(session, other, listener)
    }

    func close() {
        near.close()
        far.close()
        listener.close()
    }
}
