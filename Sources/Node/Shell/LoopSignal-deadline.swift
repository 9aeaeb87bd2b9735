import Codec
import Ring

extension LoopSignal {
    /// Waits for the next `notify`; false when the deadline passes before.
    func isNotified(before deadline: Instant) async throws -> Bool {
        do {
            try await wait(until: deadline)
            return true
        } catch {
            guard case .deadline = error else { throw error }
            return false
        }
    }
}
