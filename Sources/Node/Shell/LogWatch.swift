import Codec
import GPUBackend
import Ring

/// Waits for the log of one attempt to grow. Confined to its loop.
final class LogWatch {
    private let changes: LogChanges
    private let loop: any EventLoop

    /// Between two looks at a log whose file system may not say when it grows, and at whether its attempt still runs.
    private static let lookInterval = Interval.milliseconds(250)

    init(log: String, loop: any EventLoop) throws {
        self.loop = loop
        changes = try LogChanges()
        _ = try changes.watch(directory: log.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" })
    }

    /// Returns after a change, at the latest after a quarter of a second.
    func changed() async throws {
        do {
            try await loop.readable(changes.descriptor, deadline: loop.after(LogWatch.lookInterval))
        } catch {
            guard case .deadline = error else { throw error }
        }
        _ = changes.drain()
    }
}
