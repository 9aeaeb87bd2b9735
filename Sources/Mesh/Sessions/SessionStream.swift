import Ring

/// A message stream inside a session, with credit for what the other side may send. Confined to its loop.
final class SessionStream: MessageStream, @unchecked Sendable {
    let number: UInt32
    let trafficClass: TrafficClass
    private weak var session: Session?
    private let changed: LoopSignal

    /// Complete messages not yet received by the user, with the credit that each gives back.
    private var inbound = FirstInFirstOut<(bytes: [UInt8], cost: Int)>()
    private var assembler = MessageAssembler()
    /// Credit that the incomplete message has used and that was not given back.
    private var partialCost = 0
    /// Credit that the other side has used and not got back. Never above the window.
    private var outstanding = 0
    /// Part of `outstanding` that is free again but was not announced yet.
    private var free = 0
    private var receivers = 0
    private var isSending = false
    private var hasFinished = false
    private var otherHasFinished = false
    private var failure: MeshError?

    init(_ session: Session, _ loop: any EventLoop, _ number: UInt32, _ trafficClass: TrafficClass) {
        self.session = session
        self.number = number
        self.trafficClass = trafficClass
        changed = LoopSignal(loop)
    }

    // MARK: The user's side

    func send(_ message: [UInt8]) async throws(MeshError) {
        guard message.count <= SessionConstants.messageBytesMax else { throw .messageTooLong(message.count) }
        while isSending { try await wait() }
        if let failure { throw failure }
        guard !hasFinished, let session else { throw .closed }
        isSending = true
        session.give(self, message)
        // A sender that is cancelled here leaves its message to go out: half a message would break the stream.
        while isSending { try await wait() }
        if let failure { throw failure }
    }

    func receive() async throws(MeshError) -> [UInt8]? {
        while true {
            if let message = inbound.removeFirst() {
                release(message.cost)
                return message.bytes
            }
            if let failure { throw failure }
            if otherHasFinished { return nil }
            receivers += 1
            defer { receivers -= 1 }
            releasePartial()
            try await wait()
        }
    }

    func finish() async {
        while isSending, failure == nil {
            do throws(MeshError) { try await wait() } catch { break }
        }
        guard !hasFinished, failure == nil else { return }
        hasFinished = true
        session?.urge(.streamFinish(number))
        forgetIfDone()
    }

    func cancel() {
        guard failure == nil, !(hasFinished && otherHasFinished) else { return }
        session?.urge(.streamReset(number))
        fail(.closed)
        session?.forget(self)
    }

    private func wait() async throws(MeshError) {
        do throws(RingError) {
            try await changed.wait()
        } catch {
            throw MeshError(error)
        }
    }

    // MARK: The session's side

    /// A fragment came.
    func take(_ fragment: SessionFrame.Fragment) throws(MeshError) {
        guard !otherHasFinished else { throw .protocolViolation("a message after the end of its stream") }
        let cost = fragment.content.count + SessionConstants.fragmentOverheadBytes
        outstanding += cost
        partialCost += cost
        guard outstanding <= SessionConstants.streamWindowBytes else {
            throw .protocolViolation("more than its credit")
        }
        let limit = session?.streamMessageBytesMax ?? SessionConstants.messageBytesMax
        if let message = try assembler.add(fragment, limit: limit) {
            inbound.append((message.bytes, partialCost))
            partialCost = 0
            changed.notify()
        } else if receivers > 0 {
            releasePartial()
        }
    }

    /// Somebody waits for the message that is coming in, so its pieces make room for the next ones. Without a receiver they
    /// do not, and a stream that nobody reads holds no more than its window.
    private func releasePartial() {
        release(partialCost)
        partialCost = 0
    }

    private func release(_ cost: Int) {
        free += cost
        guard free >= SessionConstants.creditPortionBytes, !otherHasFinished else { return }
        outstanding -= free
        session?.urge(.streamCredit(number, UInt32(free)))
        free = 0
    }

    /// The message given to the session has been written.
    func messageWritten() {
        isSending = false
        changed.notify()
    }

    func otherFinished() throws(MeshError) {
        guard !otherHasFinished, assembler.start == nil else {
            throw .protocolViolation("a stream that ends twice or early")
        }
        otherHasFinished = true
        changed.notify()
        forgetIfDone()
    }

    /// Ends the stream with an error for everyone who waits or comes later; messages already here stay.
    func fail(_ error: MeshError) {
        guard failure == nil else { return }
        if !(hasFinished && otherHasFinished) { failure = error }
        isSending = false
        changed.notify()
    }

    private func forgetIfDone() {
        if hasFinished && otherHasFinished { session?.forget(self) }
    }
}
