import CLinux
import Glibc

/// A thread that runs what it is given, one after the other: for work that blocks and must keep its order (SQLite).
public final class DedicatedThread: Sendable {
    /// Work waiting at most, before `submit` refuses.
    public static let defaultCapacity = 16_384

    private let name: String
    private let queue: BlockingQueue<@Sendable () -> Void>

    /// Starts the thread. The kernel shows the first 15 bytes of its name.
    public init(_ name: String, capacity: Int = DedicatedThread.defaultCapacity) throws(RingError) {
        self.name = name
        let queue = BlockingQueue<@Sendable () -> Void>(capacity: capacity)
        self.queue = queue
        try Threads.start(name) {
            while let work = queue.take() { work() }
        }
    }

    deinit { queue.finish() }

    /// Queues work and returns. Any thread.
    public func submit(_ work: @escaping @Sendable () -> Void) throws(RingError) {
        switch queue.put(work) {
        case .accepted: return
        case .full: throw .full("thread \(name)")
        case .finished: throw .closed
        }
    }

    /// Runs work on the thread and comes back to the caller's executor with its result.
    public func perform<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async throws(RingError) -> Value {
        let result: Result<Value, RingError> = await withUnsafeContinuation { continuation in
            do throws(RingError) {
                try submit { continuation.resume(returning: .success(work())) }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
        return try result.get()
    }

    /// Lets queued work finish and ends the thread; later work is refused with `.closed`.
    public func finish() { queue.finish() }
}

/// Starting threads without Foundation.
enum Threads {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(RingError) {
        let start = Unmanaged.passRetained(Start(name, body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                swarmlet_name_thread(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        guard failure == 0 else {
            start.release()
            throw .system("pthread_create", failure)
        }
        pthread_detach(thread)
    }
}
