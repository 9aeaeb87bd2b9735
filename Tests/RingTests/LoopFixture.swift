import Codec
import Ring
import Synchronization

/// The backends under test: every claim holds on both.
let backends: [EventLoops.Preference] = [.epoll, .ioUring]

/// Runs a test's body as a task of a fresh loop on a thread of its own, then stops the loop and waits for its end.
func withLoop<Value: Sendable>(
    _ backend: EventLoops.Preference, _ body: @escaping @Sendable (any EventLoop) async throws -> Value
) async throws -> Value {
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
    return try result.get()
}

/// A connected pair of TCP sockets on the loopback interface.
func socketPair(_ loop: any EventLoop) async throws -> (client: Int32, server: Int32) {
    let listener = try Listener(.loopback(port: 0))
    let client = try await loop.connect(listener.address, deadline: loop.after(.seconds(10)))
    let accepted = try await loop.accept(listener, deadline: loop.after(.seconds(10)))
    loop.close(listener.descriptor)
    return (client, accepted.socket)
}

/// What an operation threw, if it threw.
func failure(_ body: () async throws(RingError) -> Void) async -> RingError? {
    do throws(RingError) {
        try await body()
        return nil
    } catch {
        return error
    }
}

/// A value that several tasks of one loop share in a test.
final class Shared<Value>: @unchecked Sendable {
    var value: Value
    init(_ value: Value) { self.value = value }
}
