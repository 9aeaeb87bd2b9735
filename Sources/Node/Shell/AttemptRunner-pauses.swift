import GPUBackend
import Scheduler

/// Jobs that somebody has stand still: their supervisors are told, and nothing of them is started.
extension AttemptRunner {
    /// Somebody paused the job, or lets it go on.
    func pauseChanged(of job: JobID) {
        for key in attempts.keys.sorted() where key.job == job { tellPause(key, always: false) }
        mayStart.notify()
    }

    func isPaused(_ job: JobID) -> Bool { node.state.job(job)?.pausedBy != nil }

    /// - Parameter always: the supervisor may have been told otherwise by the daemon before this one.
    func tellPause(_ key: AttemptKey, always: Bool) {
        guard let running = attempts[key], running.stage == .supervised, running.hasStarted, let link = links[key.job]
        else { return }
        let isPaused = isPaused(key.job)
        guard always || (running.isPaused ?? false) != isPaused else { return }
        guard link.version >= 2 else {
            if isPaused { node.log.warning("job \(key.job) goes on: its supervisor is of a version that cannot pause") }
            return
        }
        running.isPaused = isPaused
        link.send(isPaused ? .pause(key) : .resume(key))
    }
}
