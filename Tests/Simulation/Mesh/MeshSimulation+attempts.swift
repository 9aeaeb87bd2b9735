import Codec
import Node
import Scheduler

/// What daemons and supervisors do with attempts.
extension MeshSimulation {
    /// The daemon fetches files first.
    func prepare(_ key: AttemptKey, on machine: Int) {
        if machines[machine - 1].supervisors.process(key) != nil {
            give("host \(machine) is to start attempt \(key.attempt) of task \(key.job)_\(key.task), which it has")
        }
        machines[machine - 1].daemon?.preparing.append(key)
        let isSlow = below(8) == 0
        schedule(
            .prepared(machine, boot: machines[machine - 1].boot, key), in: isSlow ? between(500, 5_000) : between(1, 80)
        )
    }

    func prepared(_ key: AttemptKey, on machine: Int) {
        guard machines[machine - 1].daemon?.preparing.contains(key) == true else { return }
        if machines[machine - 1].daemon?.core.state.job(key.job)?.spec.gang != nil { return meet(key, on: machine) }
        machines[machine - 1].daemon?.ready.append(key)
        startReady(machine)
    }

    /// Starts what has its files, under a lease that lasts.
    func startReady(_ machine: Int) {
        guard let daemon = machines[machine - 1].daemon, !daemon.ready.isEmpty else { return }
        let clock = machines[machine - 1].clock
        guard clock.local(now) + NodeConstants.leaseToStart <= daemon.lease else { return }
        for key in daemon.ready where !daemon.heldBack.contains(key.job) {
            guard let spec = daemon.core.state.job(key.job)?.spec else { continue }
            follow(machines[machine - 1].supervisors.extend(key.job, to: daemon.lease, clock: clock, now: now), machine)
            let process = SimulatedWork(spec).process(key, spec, now: now)
            guard machines[machine - 1].supervisors.start(process, clock: clock, now: now) else { continue }
            machines[machine - 1].daemon?.ready.removeAll { $0 == key }
            machines[machine - 1].daemon?.preparing.removeAll { $0 == key }
            follow([.started(key)], machine)
        }
        superviseLater(machine)
    }

    func stop(_ key: AttemptKey, _ stop: AttemptStop, on machine: Int) {
        if machines[machine - 1].daemon?.preparing.contains(key) == true {
            machines[machine - 1].daemon?.preparing.removeAll { $0 == key }
            machines[machine - 1].daemon?.ready.removeAll { $0 == key }
            machines[machine - 1].daemon?.meeting.removeAll { $0 == key }
            let outcome: Outcome =
                switch stop {
                case .superseded: .lost
                case .moved, .evicted: .moved
                case .gangEnded: .gangEnded
                case .cancelled: .cancelled
                }
            return report(key, .ended(outcome), on: machine)
        }
        machines[machine - 1].daemon?.stops[key] = stop
        switch stop {
        case .superseded, .gangEnded:
            tell("host \(machine) kills \(key.job)_\(key.task) attempt \(key.attempt), which was replaced")
            // The order takes its way, and a process that waits for a dead file server dies late; the page is at once.
            let dies = below(4) == 0 ? between(30, 3_000) : between(0, 30)
            schedule(.kill(machine, hostBoot: machines[machine - 1].hostBoot, key), in: dies)
        case .cancelled, .moved, .evicted:
            machines[machine - 1].supervisors.cancel(key, grace: between(0, 300), now: now)
            superviseLater(machine)
        }
    }

    func kill(_ key: AttemptKey, on machine: Int) {
        follow(machines[machine - 1].supervisors.kill(key), machine)
    }

    func extendLease(of machine: Int, until deadline: Instant, heldBack: [JobID]) {
        let lease = machines[machine - 1].daemon?.lease ?? deadline
        machines[machine - 1].daemon?.lease = max(lease, deadline)
        machines[machine - 1].daemon?.heldBack = heldBack
        var jobs: [JobID] = []
        for process in machines[machine - 1].supervisors.processes where jobs.last != process.key.job {
            jobs.append(process.key.job)
        }
        let clock = machines[machine - 1].clock
        for job in jobs where !heldBack.contains(job) {
            follow(machines[machine - 1].supervisors.extend(job, to: deadline, clock: clock, now: now), machine)
        }
        startReady(machine)
        superviseLater(machine)
    }

    func supervise(_ machine: Int) {
        follow(machines[machine - 1].supervisors.advance(clock: machines[machine - 1].clock, now: now), machine)
        superviseLater(machine)
    }

    func superviseLater(_ machine: Int) {
        let clock = machines[machine - 1].clock
        guard let due = machines[machine - 1].supervisors.nextDeadline(clock: clock, now: now) else { return }
        queue.add(
            .supervise(machine, hostBoot: machines[machine - 1].hostBoot),
            at: max(due, now + Interval(nanoseconds: 10_000)))
    }

    private func follow(_ changes: [SimulatedSupervisors.Change], _ machine: Int) {
        for change in changes {
            switch change {
            case .started(let key):
                tell("host \(machine) runs \(key.job)_\(key.task) attempt \(key.attempt)")
                let mayBeReplaced = machines[machine - 1].supervisors.process(key)?.mayBeReplaced ?? true
                if let broken = truth.started(key, mayBeReplaced: mayBeReplaced) { give(broken) }
                checkAlone(key, machine)
                checkGang(key)
                checkRoom(machine)
                report(key, .running, on: machine)
            case .frozen(let key): tell("host \(machine) freezes \(key.job)_\(key.task) attempt \(key.attempt)")
            case .thawed(let key):
                tell("host \(machine) thaws \(key.job)_\(key.task) attempt \(key.attempt)")
                checkAlone(key, machine)
                checkGang(key)
            case .ended(let key, let outcome):
                tell("host \(machine): \(key.job)_\(key.task) attempt \(key.attempt) ended: \(outcome)")
                truth.ended(key, outcome)
                switch machines[machine - 1].daemon?.stops[key] {
                case .superseded: report(key, .ended(.lost), on: machine)
                case .gangEnded where outcome == .signalled(9): report(key, .ended(.gangEnded), on: machine)
                default: report(key, .ended(outcome), on: machine)
                }
            }
        }
    }

    /// The rule of all rules: no task runs in two places at once.
    private func checkAlone(_ key: AttemptKey, _ machine: Int) {
        var others: [(machine: Int, key: AttemptKey)] = []
        for other in machines {
            for process in other.supervisors.processes
            where process.key.taskKey == key.taskKey && process.isRunning
                && (other.number != machine || process.key != key)
            {
                others.append((other.number, process.key))
            }
        }
        if let broken = truth.running(key, on: machine, beside: others) { give(broken) }
    }

    /// What a host runs together fits into it, but for what is being killed there.
    private func checkRoom(_ machine: Int) {
        guard let daemon = machines[machine - 1].daemon else { return }
        let state = daemon.core.state
        var taken: UInt64 = 0
        for process in machines[machine - 1].supervisors.processes
        where process.outcome == nil && daemon.stops[process.key] != .superseded {
            taken += state.job(process.key.job)?.spec.resources.cpuMillis ?? 0
        }
        if taken > Self.cpuMillis { give("host \(machine) runs work for \(taken) thousandths of its CPUs at once") }
    }

    /// Lost where no daemon listens; the journal tells the next one.
    private func report(_ key: AttemptKey, _ kind: AttemptReportKind, on machine: Int) {
        guard machines[machine - 1].isUp else { return }
        let report = AttemptReport(attempt: key, kind: kind, at: Self.epoch + now.nanoseconds)
        schedule(.reported(machine, boot: machines[machine - 1].boot, report), in: microseconds(20, 3_000))
    }
}
