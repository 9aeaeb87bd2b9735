import Mesh
import Ring

extension EventLoop {
    /// Answers a caller that has nothing more to say: when it hangs up, the answer ends, which might otherwise wait for
    /// days for something to tell nobody.
    func answer(_ stream: any MessageStream, _ work: @escaping @Sendable () async throws -> Void) async throws {
        let outcome = Outcome()
        let worker = spawn("answer") {
            do { try await work() } catch { outcome.failure = error }
        }
        let watcher = spawn("hang-up") {
            do { while try await stream.receive() != nil {} } catch {
                // However the caller went, it is gone.
            }
            if !Task.isCancelled { worker.cancel() }
        }
        await withTaskCancellationHandler {
            await worker.value
        } onCancel: {
            worker.cancel()
        }
        watcher.cancel()
        if let failure = outcome.failure { throw failure }
    }
}

/// What one task of a loop leaves for another.
private final class Outcome: @unchecked Sendable {
    var failure: (any Error)?
}
