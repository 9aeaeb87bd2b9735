import Codec

/// A bounded queue between tasks of one loop. Confined to its loop.
public final class LoopQueue<Element>: @unchecked Sendable {
    /// Elements held at most.
    public let capacity: Int
    private var elements: [Element?] = []
    private var head = 0
    private let filled: LoopSignal
    private let emptied: LoopSignal
    /// Set by `finish`: nothing more comes in.
    public private(set) var isFinished = false

    public init(_ loop: any EventLoop, capacity: Int) {
        precondition(capacity > 0, "a queue holds at least one element")
        self.capacity = capacity
        filled = LoopSignal(loop)
        emptied = LoopSignal(loop)
    }

    public var count: Int { elements.count - head }

    /// Puts an element in at once; false when the queue is full or finished.
    public func offer(_ element: Element) -> Bool {
        guard !isFinished, count < capacity else { return false }
        elements.append(element)
        filled.notify()
        return true
    }

    /// Puts an element in, after waiting for room. Throws `.closed` when the queue is finished.
    public func send(_ element: Element) async throws(RingError) {
        while !offer(element) {
            if isFinished { throw .closed }
            try await emptied.wait()
        }
    }

    /// The next element, nil when the queue is finished and empty.
    public func next(until deadline: Instant? = nil) async throws(RingError) -> Element? {
        while true {
            if let element = poll() { return element }
            if isFinished { return nil }
            try await filled.wait(until: deadline)
        }
    }

    /// The next element if one is there.
    public func poll() -> Element? {
        guard head < elements.count else { return nil }
        let element = elements[head]
        elements[head] = nil
        head += 1
        if head == elements.count || head >= 256 {
            elements.removeFirst(head)
            head = 0
        }
        emptied.notify()
        return element
    }

    /// Takes in no more; what is inside can still be taken out.
    public func finish() {
        isFinished = true
        filled.notify()
        emptied.notify()
    }
}
