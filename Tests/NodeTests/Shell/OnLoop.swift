import Ring

/// Runs the body on an event loop of its own, until it ends.
func onLoop(_ body: @escaping @Sendable (any EventLoop) async throws -> Void) async throws {
    let loop = try EventLoops.make(preferring: .epoll)
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
