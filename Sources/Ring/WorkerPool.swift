import Synchronization

/// A few threads for blocking work in no particular order (names, file trees). They start when first needed.
final class WorkerPool: Sendable {
    static let shared = WorkerPool(threads: 4)

    private let queue = BlockingQueue<@Sendable () -> Void>(capacity: .max)
    private let threads: Int
    private let started = Atomic<Int>(0)

    init(threads: Int) { self.threads = threads }

    /// Each piece of work belongs to a task that awaits it, so what bounds the tasks bounds this queue.
    func submit(_ work: @escaping @Sendable () -> Void) {
        let admission = queue.put(work)
        precondition(admission == .accepted, "the pool never ends")
        startOne()
    }

    private func startOne() {
        let before = started.load(ordering: .relaxed)
        guard before < threads else { return }
        guard started.compareExchange(expected: before, desired: before + 1, ordering: .relaxed).exchanged else {
            return
        }
        do throws(RingError) {
            try Threads.start("worker-\(before)") { [queue] in
                while let work = queue.take() { work() }
            }
        } catch {
            // The host is out of threads: with one at work the others are a luxury, without any nothing would run.
            started.subtract(1, ordering: .relaxed)
            precondition(before > 0, "no worker thread could be started: \(error.message)")
        }
    }
}
