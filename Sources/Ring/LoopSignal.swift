import Codec

/// A condition that tasks of one loop wait for. Confined to its loop.
public final class LoopSignal: @unchecked Sendable {
    private let loop: any EventLoop
    private var waiting: [WaitToken] = []

    public init(_ loop: any EventLoop) { self.loop = loop }

    /// Waits for the next `notify`. As with every condition, check what you wait for again afterwards.
    public func wait(until deadline: Instant? = nil) async throws(RingError) {
        var mine: WaitToken?
        do throws(RingError) {
            try await loop.wait(until: deadline) { token in
                mine = token
                waiting.append(token)
            }
        } catch {
            waiting.removeAll { $0 == mine }
            throw error
        }
    }

    /// Wakes everyone who waits now.
    public func notify() {
        let woken = exchange(&waiting, with: [])
        for token in woken { loop.wake(token) }
    }
}
