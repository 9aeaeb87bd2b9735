import Codec

extension SchedulerState {
    /// What is wrong with the state, in sentences; empty in every state that entries can lead to. Costs a walk over
    /// everything: for tests and simulations.
    public func brokenInvariants() -> [String] {
        var broken: [String] = []
        var held: [NodeID: [AttemptKey]] = [:]
        var pending = 0
        var unfinished = 0
        var ofTokens: [String: Int] = [:]
        for (id, row) in jobRows {
            broken += Self.brokenInvariants(of: id, row)
            broken += brokenGang(id, row)
            pending += Int(row.counts[.pending])
            if row.endedAt == nil {
                unfinished += Int(row.tasks.count)
                if let root = row.spec.value.guest?.names.first { ofTokens[root, default: 0] += 1 }
            }
            if waiting.contains(id) == (row.pending.isEmpty || row.pausedBy != nil) {
                broken.append("job \(id) waits in the wrong queue")
            }
            row.tasks.forEachTouched { index, task in
                guard let attempt = task.liveAttempt else { return }
                held[attempt.node, default: []].append(
                    AttemptKey(job: id, task: index, attempt: attempt.number))
            }
        }
        if pending != pendingCount { broken.append("\(pendingCount) tasks are said to wait, \(pending) do") }
        if unfinished != unfinishedTasks {
            broken.append("\(unfinishedTasks) tasks are said unfinished, \(unfinished) are")
        }
        if Dictionary(uniqueKeysWithValues: guestJobs.map { ($0.key, $0.row) }) != ofTokens {
            broken.append("unfinished jobs of tokens are miscounted")
        }
        let ownKeys = settings.filter { MeshSetting(rawValue: $0.key) == nil }.count
        if ownKeys != userSettings {
            broken.append("\(userSettings) settings of users are counted, \(ownKeys) are there")
        }
        for (id, row) in nodeRows {
            if row.attempts != held[id] ?? [] { broken.append("\(id) is said to hold \(row.attempts)") }
            broken += brokenInvariants(of: row)
        }
        return broken
    }

    private static func brokenInvariants(of id: JobID, _ row: JobRow) -> [String] {
        var broken: [String] = []
        var copy = row
        copy.countTasks()
        if copy.counts != row.counts || copy.pending != row.pending { broken.append("job \(id) miscounts its tasks") }
        if row.counts.total != row.tasks.count { broken.append("job \(id) lost a task") }
        if (row.endedAt != nil) != (row.counts.ended == row.tasks.count) {
            broken.append(
                "job \(id) has \(row.counts.ended) of \(row.tasks.count) tasks ended, endedAt \(row.endedAt ?? 0)")
        }
        row.tasks.forEachTouched { index, task in
            if task.attempts.dropLast().contains(where: { $0.outcome == nil }) {
                broken.append("task \(id)_\(index) has an older attempt that never ended")
            }
            if (task.liveAttempt != nil) != task.state.isOnNode {
                broken.append("task \(id)_\(index) is \(task.state.name) and its attempt does not agree")
            }
        }
        return broken
    }

    private func brokenInvariants(of row: NodeRow) -> [String] {
        var cpus: UInt64 = 0
        var memory: UInt64 = 0
        var gpus: [UInt32] = []
        var waiting: [AttemptKey] = []
        for key in row.attempts {
            guard let attempt = attempt(key) else { continue }
            if attempt.turn != nil {
                waiting.append(key)
                continue
            }
            cpus += attempt.cpuMillis
            memory += attempt.memoryBytes
            gpus += attempt.gpus
        }
        var broken: [String] = []
        if cpus != row.usedCPUMillis || memory != row.usedMemoryBytes || gpus.sorted() != row.usedGPUs {
            broken.append("\(row.record.id) miscounts what its attempts hold, or gives a GPU twice")
        }
        if row.line.map(\.key).sorted() != waiting { broken.append("the line on \(row.record.id) is not who waits") }
        for key in waiting where rooms(of: key.job, on: row, atMost: 1) == 0 {
            broken.append("\(key.job)_\(key.task) waits on \(row.record.id) for room that nobody has")
        }
        return broken
    }
}
