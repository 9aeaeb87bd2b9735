import Glibc

/// A bounded queue between threads, whose reader sleeps while it is empty.
final class BlockingQueue<Element>: @unchecked Sendable {
    private let capacity: Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let filled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Guarded by `mutex`, as is everything below. Elements before `head` have been taken.
    private var elements: [Element?] = []
    private var head = 0
    private var isFinished = false

    init(capacity: Int) {
        self.capacity = capacity
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(filled, nil)
    }

    deinit {
        pthread_cond_destroy(filled)
        pthread_mutex_destroy(mutex)
        filled.deallocate()
        mutex.deallocate()
    }

    enum Admission { case accepted, full, finished }

    func put(_ element: Element) -> Admission {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isFinished { return .finished }
        if elements.count - head >= capacity { return .full }
        elements.append(element)
        pthread_cond_signal(filled)
        return .accepted
    }

    /// The next element; nil once the queue is finished and empty. Blocks.
    func take() -> Element? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while head == elements.count {
            if isFinished { return nil }
            pthread_cond_wait(filled, mutex)
        }
        let element = elements[head]
        elements[head] = nil
        head += 1
        if head == elements.count || head >= 1024 {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }

    func finish() {
        pthread_mutex_lock(mutex)
        isFinished = true
        pthread_cond_broadcast(filled)
        pthread_mutex_unlock(mutex)
    }
}
