import Codec
import Ring
import Scheduler

/// What the mesh is told of the setups of attempts.
extension AttemptRunner {
    /// Whether what this attempt makes will be kept: an older supervisor does not say when its setup has ended.
    func canKeepSetup(_ key: AttemptKey) -> Bool {
        // One that is about to start has no supervisor yet.
        guard attempts[key] != nil else { return false }
        return links[key.job].map { $0.version >= 3 || attempts[key]?.hasStarted != true } ?? true
    }

    func tellSetup(_ key: AttemptKey, _ setup: AttemptSetup) {
        attempts[key]?.isInSetup = false
        node.driver.changes.notify()
        // A mesh below that level has no words for it.
        guard node.state.level >= 4 else { return }
        let at = EventLoops.wallClock.nanoseconds
        node.driver.input(.attempt(AttemptReport(attempt: key, kind: .running, at: at, setup: setup)))
    }
}
