import Mesh
import Synchronization

/// One end of a message stream in memory, without limits.
final class MemoryStream: MessageStream {
    /// The messages of one direction, for one receiver.
    private final class Direction: Sendable {
        private struct State {
            var messages: [[UInt8]] = []
            var isFinished = false
            var waiter: CheckedContinuation<[UInt8]?, Never>?
        }
        private let state = Mutex(State())

        func put(_ message: [UInt8]) {
            let waiter = state.withLock { state -> CheckedContinuation<[UInt8]?, Never>? in
                guard let waiter = state.waiter else {
                    state.messages.append(message)
                    return nil
                }
                state.waiter = nil
                return waiter
            }
            waiter?.resume(returning: message)
        }

        func finish() {
            let waiter = state.withLock { state -> CheckedContinuation<[UInt8]?, Never>? in
                state.isFinished = true
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume(returning: nil)
        }

        func next() async -> [UInt8]? {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state -> Bool in
                    if !state.messages.isEmpty || state.isFinished { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady {
                    continuation.resume(
                        returning: state.withLock { $0.messages.isEmpty ? nil : $0.messages.removeFirst() })
                }
            }
        }
    }

    private let incoming: Direction
    private let outgoing: Direction
    private let sent = Mutex<[[UInt8]]>([])
    /// May change what is on its way.
    private let alter: @Sendable ([UInt8]) -> [UInt8]

    /// What went out of this end.
    var sentMessages: [[UInt8]] { sent.withLock { $0 } }

    private init(incoming: Direction, outgoing: Direction, alter: @escaping @Sendable ([UInt8]) -> [UInt8]) {
        self.incoming = incoming
        self.outgoing = outgoing
        self.alter = alter
    }

    /// Two ends; what the second sends may be altered on its way.
    static func pair(
        altering alter: @escaping @Sendable ([UInt8]) -> [UInt8] = { $0 }
    ) -> (MemoryStream, MemoryStream) {
        let there = Direction()
        let back = Direction()
        return (
            MemoryStream(incoming: back, outgoing: there, alter: { $0 }),
            MemoryStream(incoming: there, outgoing: back, alter: alter)
        )
    }

    func send(_ message: [UInt8]) async throws(MeshError) {
        let altered = alter(message)
        sent.withLock { $0.append(altered) }
        outgoing.put(altered)
    }

    func receive() async throws(MeshError) -> [UInt8]? { await incoming.next() }

    func finish() async { outgoing.finish() }

    func cancel() {
        incoming.finish()
        outgoing.finish()
    }
}
