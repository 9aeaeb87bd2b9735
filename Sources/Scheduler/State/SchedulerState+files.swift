import Codec

/// Which files the mesh holds for its jobs, and where: checkpoints, results, working trees.
extension SchedulerState {
    /// A checkpoint counts while its attempt is the newest and the task has not ended, even after that attempt died.
    mutating func record(
        _ checkpoint: Checkpoint, of key: AttemptKey, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        let job = try jobPosition(key.taskKey)
        let task = jobRows[job].tasks[key.task]
        guard task.attempts.last?.number == key.attempt, !task.state.isEnded else { throw .attemptStale(key) }
        if let known = task.checkpoints.first(where: { $0.number == checkpoint.number }) {
            guard known.tree == checkpoint.tree else { throw .checkpointTaken(key.job, checkpoint.number) }
            for holder in checkpoint.holders {
                try addHolder(holder, toCheckpoint: checkpoint.number, of: key.taskKey, &events)
            }
            return
        }
        var checkpoint = checkpoint
        checkpoint.attempt = key.attempt
        checkpoint.recordedAt = time
        checkpoint.holders = checkpoint.holders.sortedWithoutRepeats()
        let at = task.checkpoints.firstIndex { $0.number > checkpoint.number } ?? task.checkpoints.count
        jobRows[job].tasks[key.task].checkpoints.insert(checkpoint, at: at)
        prune(job, key.task)
        events.append(.checkpointRecorded(key.taskKey, number: checkpoint.number))
    }

    mutating func addHolder(
        _ node: NodeID, toCheckpoint number: UInt64, of key: TaskKey, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        _ = try memberPosition(node)
        let job = try jobPosition(key)
        guard let at = jobRows[job].tasks[key.index].checkpoints.firstIndex(where: { $0.number == number }) else {
            throw .checkpointNotFound(key.job, number)
        }
        if jobRows[job].tasks[key.index].checkpoints[at].holders.insertSorted(node) {
            events.append(.checkpointHeld(key, number: number, by: node))
        }
    }

    mutating func record(
        _ files: ResultFiles, of key: AttemptKey, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        let job = try jobPosition(key.taskKey)
        guard jobRows[job].tasks[key.task].attempts.last?.number == key.attempt else { throw .attemptStale(key) }
        var files = files
        files.holders = files.holders.sortedWithoutRepeats()
        if let known = jobRows[job].tasks[key.task].results, known.tree == files.tree {
            files.holders = (known.holders + files.holders).sortedWithoutRepeats()
        }
        jobRows[job].tasks[key.task].results = files
        events.append(.resultsRecorded(key.taskKey))
    }

    mutating func treeHeld(_ tree: Digest, by node: NodeID, _ events: inout [StateEvent]) throws(SchedulerError) {
        _ = try memberPosition(node)
        guard let position = treeRows.find(tree) else { throw .treeNotFound(tree) }
        if treeRows[position].holders.insertSorted(node) { events.append(.treeHeld(tree, by: node)) }
    }

    mutating func releaseTree(_ tree: Digest) {
        guard let position = treeRows.find(tree) else { return }
        treeRows[position].jobs -= 1
        if treeRows[position].jobs == 0 { treeRows.remove(tree) }
    }

    /// The newest few stay, and the newest that a present node holds: without it a loss now would cost everything.
    private mutating func prune(_ job: RowPosition, _ index: UInt32) {
        let keep = max(1, min(SchedulerLimits.checkpointsMax, Int(jobRows[job].spec.value.checkpoint?.keep ?? 3)))
        let checkpoints = jobRows[job].tasks[index].checkpoints
        guard checkpoints.count > keep else { return }
        let newestHeld = checkpoints.last { $0.holders.contains { isPresent($0) } }?.number
        let oldestKept = checkpoints[checkpoints.count - keep].number
        jobRows[job].tasks[index].checkpoints.removeAll { $0.number < oldestKept && $0.number != newestHeld }
    }

    private func jobPosition(_ key: TaskKey) throws(SchedulerError) -> RowPosition {
        guard let job = jobRows.find(key.job) else { throw .jobNotFound(key.job) }
        guard key.index < jobRows[job].tasks.count else { throw .taskNotFound(key.job, key.index) }
        return job
    }
}

extension Array where Element: Comparable {
    fileprivate func sortedWithoutRepeats() -> [Element] {
        var result: [Element] = []
        for element in sorted() where result.last != element { result.append(element) }
        return result
    }
}
