import Codec
import Node
import Scheduler

/// Jobs whose tasks start together or not at all.
extension MeshSimulation {
    /// In one mesh of four. Drawn apart, so that the others are what they are without.
    func addGangs() {
        var own = SeededGenerator(seed: seed ^ 0x4741_4E47)
        guard Int.random(in: 0..<4, using: &own) == 0 else { return }
        hasGangs = true
        for number in 0..<3 {
            guard
                let gang = GangSpec(
                    nodes: UInt32.random(in: 2...3, using: &own), tasksPerNode: UInt32.random(in: 1...2, using: &own))
            else { continue }
            var spec = JobSpec(name: "gang-\(number)", command: [], user: "ana", submitNode: NodeID(1))
            spec.gang = gang
            spec.tasks = gang.ranks
            let milliseconds = [200, 1_500, 5_000][Int.random(in: 0..<3, using: &own)]
            let failing: UInt32 = Bool.random(using: &own) ? 1 : 0
            spec.command = SimulatedWork(milliseconds: Int64(milliseconds), failingAttempts: failing).command
            spec.retry = [.never, .times(1), .times(3)][Int.random(in: 0..<3, using: &own)]
            spec.resources = Resources(cpuMillis: 1_000, memoryBytes: 1 << 28)
            let at = Int64.random(in: 0...settings.chaos.milliseconds, using: &own)
            addClient(.submit(spec), at: .milliseconds(at))
        }
    }

    /// A gang may need every host, so none stays out of reach for ever: what was ordered and taken back may have been carried
    /// out in the other order, by nodes that each asked again and again.
    func freeHosts() {
        guard hasGangs else { return }
        for machine in machines {
            schedule(.announce(machine.number), in: .seconds(20))
            if let id = machine.id { addClient(.drain(id, nil), at: .seconds(20)) }
        }
    }

    /// The files of a rank are here; it starts when those of all others are where they will run.
    func meet(_ key: AttemptKey, on machine: Int) {
        let request = RequestID(high: random.next(), low: random.next())
        machines[machine - 1].daemon?.meeting.append(key)
        machines[machine - 1].daemon?.readyRequests.append(request)
        let meeting = key.task == 0 ? MeetingPoint(address: "10.0.0.\(machine)", port: 21_000) : nil
        handle(machine, .propose(Entry(request: request, time: 0, command: .rankReady(key, meeting))))
    }

    func startMet(_ machine: Int) {
        guard let daemon = machines[machine - 1].daemon, !daemon.meeting.isEmpty else { return }
        for key in daemon.meeting {
            guard let job = daemon.core.state.job(key.job), let gang = job.spec.gang, let record = job.gang,
                record.attempt == key.attempt, record.mayStart(gang)
            else { continue }
            machines[machine - 1].daemon?.meeting.removeAll { $0 == key }
            machines[machine - 1].daemon?.ready.append(key)
        }
        startReady(machine)
    }

    /// Never are ranks of two attempts at work at once, and none where another one has no place.
    func checkGang(_ key: AttemptKey) {
        for other in machines {
            for process in other.supervisors.processes
            where process.key.job == key.job && process.key.attempt != key.attempt && process.isRunning {
                guard isGang(key.job) else { return }
                give(
                    "rank \(key.task) of gang \(key.job) runs in attempt \(key.attempt) beside rank \(process.key.task) "
                        + "in attempt \(process.key.attempt)")
            }
        }
    }

    private func isGang(_ job: JobID) -> Bool {
        machines.contains { $0.daemon?.core.state.job(job)?.spec.gang != nil }
    }

    /// A gang has succeeded as a whole in one attempt, or it has not; and what it ran began only as a whole.
    func gangContradiction(_ jobs: [JobRecord]) -> String? {
        for job in jobs {
            guard let gang = job.spec.gang, let state = machines[0].daemon?.core.state else { continue }
            let tasks = (0..<gang.ranks).compactMap { state.task(TaskKey(job: job.id, index: $0)) }
            let numbers = tasks.map { $0.attempts.last?.number ?? 0 }
            if Set(numbers).count > 1 { return "the ranks of gang \(job.id) ended in attempts \(numbers)" }
            let succeeded = tasks.filter { $0.state == .succeeded }.count
            if job.state == .succeeded, succeeded != tasks.count {
                return "gang \(job.id) has succeeded with \(succeeded) of \(tasks.count) ranks"
            }
        }
        return nil
    }
}
