import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// What outlived the last daemon of this host.
extension AttemptRunner {
    /// Finds what outlived the last daemon of this host, and takes it over. Before the core starts.
    ///
    /// One supervisor that cannot be taken over keeps nobody from starting: it is ended, and what it ran is lost. Throws
    /// where even that fails, because then something may run here that nobody looks after.
    func adopt() async throws -> [AdoptedAttempt] {
        var adopted: [AdoptedAttempt] = []
        try spare.sweep()
        for directory in try SupervisorDirectory.scan(node.directory.supervisors) {
            guard let job = JobID(directory.path.split(separator: "/").last ?? "") else { continue }
            do {
                switch try directory.condition() {
                case .lives: adopted += try await adopt(job, directory)
                case .gone(let remains):
                    for left in remains { adopted.append(adopt(left)) }
                    if remains.isEmpty { try directory.remove() }
                }
            } catch {
                let reason = APIFailure(error).message
                node.log.warning("the supervisor of job \(job) cannot be taken over and is ended: \(reason)")
                adopted += try await end(job, directory)
            }
        }
        return adopted
    }

    private func adopt(_ job: JobID, _ directory: SupervisorDirectory) async throws -> [AdoptedAttempt] {
        let link = try SupervisorLink(job: job, directory: directory, loop: loop)
        var adopted: [AttemptKey: AdoptedAttempt] = [:]
        var isReplayed = false
        var isGone = false
        let replayed = LoopSignal(loop)
        link.onEvent = { [self] event in
            switch event {
            case .started(let key, _, let at):
                attempts[key] = Running(.supervised)
                attempts[key]?.hasStarted = true
                adopted[key] = AdoptedAttempt(key: key, at: at)
            case .ended(let key, let result): adopted[key] = adopt(key, endedWith: result)
            case .frozen(let key): attempts[key]?.isFrozen = true
            case .thawed(let key): attempts[key]?.isFrozen = false
            case .setupEnded(let key, let milliseconds, let isWaiting):
                setupsBefore[key] = milliseconds
                // What it made went unseen, so it is not kept.
                if isWaiting { link.send(.goOn(key)) }
            case .welcome, .declined, .handEnded, .handRefused, .inputTaken: break
            case .replayed: isReplayed = true
            case nil: isGone = true
            }
            if isReplayed || isGone { replayed.notify() }
        }
        link.start()
        let deadline = loop.after(AttemptRunner.adoptionPatience)
        do {
            while !isReplayed, !isGone { try await replayed.wait(until: deadline) }
            guard !isGone else { throw MeshError.disconnected }
        } catch {
            link.onEvent = nil
            link.close()
            throw error
        }
        links[job] = link
        listen(to: link)
        return adopted.keys.sorted().compactMap { adopted[$0] }
    }

    /// Ends a supervisor by force; the answer is what it left. A directory that says nothing sensible is put aside.
    private func end(_ job: JobID, _ directory: SupervisorDirectory) async throws -> [AdoptedAttempt] {
        for key in attempts.keys where key.job == job {
            attempts[key] = nil
            endedBefore[key] = nil
        }
        let deadline = loop.after(AttemptRunner.adoptionPatience)
        while let process = directory.runningProcess {
            guard loop.now < deadline else {
                throw HostError.system(operation: "kill", path: "process \(process)", errorNumber: ETIMEDOUT)
            }
            kill(process, SIGKILL)
            try await loop.sleep(for: .milliseconds(50))
        }
        do {
            guard case .gone(let remains) = try directory.condition() else { return [] }
            return remains.map(adopt)
        } catch {
            let aside = directory.path + ".damaged"
            node.log.warning("\(directory.path) is put aside as \(aside): \(error.message)")
            try HostFiles.removeTree(aside)
            guard rename(directory.path, aside) == 0 else {
                throw HostError.system(operation: "rename", path: directory.path, errorNumber: errno)
            }
            return []
        }
    }

    /// How long a supervisor may take to tell what it holds, or to die.
    private static let adoptionPatience = Interval.seconds(5)

    private func adopt(_ left: SupervisorDirectory.Remains) -> AdoptedAttempt {
        if let result = left.result { return adopt(left.key, endedWith: result) }
        attempts[left.key] = Running(.ended)
        return AdoptedAttempt(key: left.key, outcome: .lost, at: EventLoops.wallClock.nanoseconds)
    }

    private func adopt(_ key: AttemptKey, endedWith result: AttemptResult) -> AdoptedAttempt {
        attempts[key] = Running(.supervised)
        endedBefore[key] = result
        return AdoptedAttempt(key: key, at: result.startedAt ?? result.endedAt)
    }

    /// The daemon before this one has given supervisors a lease for its absence. It is taken back from all that live, also
    /// from one that nobody speaks to; what cannot be held to it is ended.
    func shortenLease(to deadline: Instant) {
        limitLease(to: deadline)
        do {
            for directory in try SupervisorDirectory.scan(node.directory.supervisors) {
                do {
                    try directory.shortenLease(to: deadline)
                } catch {
                    guard let process = directory.runningProcess else { continue }
                    node.log.warning("the supervisor \(process) cannot be held to its lease: \(error.message)")
                    kill(process, SIGKILL)
                }
            }
        } catch {
            node.log.warning("supervisors cannot be looked for: \(error.message)")
        }
    }

    /// The state is as new as this daemon: what was adopted is looked after like what was started here.
    func resumeAdopted() {
        let results = exchange(&endedBefore, with: [:])
        let setups = exchange(&setupsBefore, with: [:])
        for key in setups.keys.sorted() where attempts[key]?.stage == .supervised {
            node.setups.ended(key, milliseconds: setups[key] ?? 0, waiting: nil)
        }
        for key in attempts.keys.sorted() where attempts[key]?.stage == .supervised {
            if let result = results[key] {
                finish(key, result)
            } else {
                node.host.devices.meter.begin(key, on: node.state.attempt(key)?.gpus ?? [])
                watchCheckpoints(of: key)
                tellPause(key, always: true)
                openDoor(of: key)
            }
        }
        node.doors.sweep { holds($0) }
    }

    /// Its processes knock where the daemon before this one listened.
    private func openDoor(of key: AttemptKey) {
        do {
            if let plan = node.plan(for: key) { try node.doors.open(for: plan) }
        } catch {
            let reason = APIFailure(error).message
            node.log.warning("rank \(key.task) of job \(key.job) cannot reach its gang any more: \(reason)")
        }
    }
}
