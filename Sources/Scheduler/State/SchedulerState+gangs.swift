import Codec

/// Jobs whose tasks start together or not at all.
///
/// All ranks of a gang are placed by one entry, under the same number of attempt. When one of them ends otherwise than
/// well, whatever the reason, the others have to end, too; a rank waits for its next attempt as soon as it has ended, and
/// the next one is placed when all of them wait. So there are never ranks of two attempts at once, nor a gang in part.
extension SchedulerState {
    /// Placements of one gang that follow each other are carried out together or not at all.
    mutating func place(_ placements: [Placement], _ events: inout [StateEvent]) {
        var rest = placements[...]
        while let first = rest.first {
            guard let job = jobRows.find(first.attempt.job), let gang = jobRows[job].spec.value.gang else {
                place(first, &events)
                rest.removeFirst()
                continue
            }
            let ranks = rest.prefix { $0.attempt.job == first.attempt.job }
            rest = rest.dropFirst(ranks.count)
            if isPossible(Array(ranks), gang, job) { placeGang(Array(ranks), job, &events) }
        }
    }

    private mutating func placeGang(_ ranks: [Placement], _ job: RowPosition, _ events: inout [StateEvent]) {
        guard let first = ranks.first else { return }
        jobRows[job].gang = Shared(GangRecord(attempt: first.attempt.attempt))
        for rank in ranks {
            guard let node = nodeRows.find(rank.node) else { continue }
            begin(rank, of: job, on: node, turn: nil, &events)
        }
    }

    /// Whether these are all ranks of the gang, none of them has a place, and all of them fit where they are to go.
    private func isPossible(_ ranks: [Placement], _ gang: GangSpec, _ job: RowPosition) -> Bool {
        let row = jobRows[job]
        guard row.cancelRequestedBy == nil, row.pausedBy == nil, row.counts[.pending] == row.tasks.count,
            ranks.count == Int(row.tasks.count)
        else { return false }
        for (index, rank) in ranks.enumerated() {
            guard rank.attempt.task == UInt32(index), !rank.waits,
                rank.attempt.attempt == row.tasks[UInt32(index)].nextAttempt,
                rank.gpus.count == Int(row.spec.value.resources.gpus)
            else { return false }
        }
        var nodes: [NodeID] = []
        for number in 0..<gang.nodes {
            let local = ranks[Int(number * gang.tasksPerNode)..<Int((number + 1) * gang.tasksPerNode)]
            guard let id = local.first?.node, nodes.insertSorted(id), local.allSatisfy({ $0.node == id }),
                let node = nodeRows.find(id), nodeRows[node].record.takesWork, let sum = Self.sum(local),
                nodeRows[node].canHold(sum)
            else { return false }
        }
        return true
    }

    /// What several placements on one node take together; nil where no number can say it.
    private static func sum(_ placements: ArraySlice<Placement>) -> Placement? {
        guard var sum = placements.first else { return nil }
        for placement in placements.dropFirst() {
            let cpus = sum.cpuMillis.addingReportingOverflow(placement.cpuMillis)
            let memory = sum.memoryBytes.addingReportingOverflow(placement.memoryBytes)
            guard !cpus.overflow, !memory.overflow else { return nil }
            sum.cpuMillis = cpus.partialValue
            sum.memoryBytes = memory.partialValue
            sum.gpus += placement.gpus
        }
        sum.gpus.sort()
        return sum
    }

    /// A rank could begin. The first that says where rank 0 can be met is believed.
    mutating func rankReady(
        _ key: AttemptKey, _ meeting: MeetingPoint?, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        guard let job = jobRows.find(key.job) else { throw .jobNotFound(key.job) }
        guard key.task < jobRows[job].tasks.count, jobRows[job].tasks[key.task].liveAttempt?.number == key.attempt,
            var gang = jobRows[job].gang?.value, gang.attempt == key.attempt
        else { throw .attemptStale(key) }
        guard meeting.map({ $0.address.utf8.count <= MeetingPoint.addressBytesMax }) ?? true else {
            throw .badGang("its meeting point is no address")
        }
        let isNew = gang.ready.insertSorted(key.task)
        if key.task == 0, gang.meeting == nil { gang.meeting = meeting }
        guard isNew || gang.meeting != jobRows[job].gang?.value.meeting else { return }
        jobRows[job].gang = Shared(gang)
        events.append(.gangChanged(key.job))
    }

    /// All ranks are to end because one of them cannot stay where it is.
    mutating func moveGang(_ key: AttemptKey, _ events: inout [StateEvent]) throws(SchedulerError) {
        guard let job = jobRows.find(key.job) else { throw .jobNotFound(key.job) }
        guard key.task < jobRows[job].tasks.count, jobRows[job].tasks[key.task].liveAttempt?.number == key.attempt,
            let gang = jobRows[job].gang?.value, gang.attempt == key.attempt
        else { throw .attemptStale(key) }
        if gang.ending == nil, jobRows[job].cancelRequestedBy == nil { endGang(job, key.task, .moved, &events) }
    }

    /// Where a rank goes whose attempt has ended. It waits until all have: only then is it known whether a host was lost,
    /// because the ranks that lose touch with one that was often fail sooner than the mesh gives its host up.
    mutating func stateOfRank(
        _ job: RowPosition, _ rank: UInt32, _ outcome: Outcome, _ events: inout [StateEvent]
    ) -> TaskState {
        if jobRows[job].cancelRequestedBy != nil { return outcome.isSuccess ? .succeeded : .cancelled }
        if jobRows[job].gang?.value.ending == nil {
            if outcome.isSuccess { return .succeeded }
            endGang(job, rank, outcome, &events)
        }
        guard let ending = jobRows[job].gang?.value.ending, ending.isFinal else { return .pending }
        return Self.lastState(of: rank, outcome, ending)
    }

    private static func lastState(of rank: UInt32, _ outcome: Outcome?, _ ending: GangEnding) -> TaskState {
        if outcome?.isSuccess == true { return .succeeded }
        return rank == ending.rank ? .failed : .cancelled
    }

    private mutating func endGang(
        _ job: RowPosition, _ rank: UInt32, _ outcome: Outcome, _ events: inout [StateEvent]
    ) {
        let number = jobRows[job].tasks[rank].attempts.last?.number ?? 1
        var gang = jobRows[job].gang?.value ?? GangRecord(attempt: number)
        gang.ending = GangEnding(rank: rank, outcome: outcome, isFinal: jobRows[job].spec.value.retry == .never)
        gang.ready = []
        jobRows[job].gang = Shared(gang)
        events.append(.gangChanged(jobRows.key(at: job)))
        if jobRows[job].counts[.unknown] > 0 { sweepLostNodes() }
    }

    /// Once every rank has ended: all wait for the next attempt, or it was the last.
    mutating func settleGang(_ job: RowPosition, _ events: inout [StateEvent]) {
        guard var gang = jobRows[job].gang?.value, var ending = gang.ending, !ending.isFinal,
            jobRows[job].counts.onNodes == 0, jobRows[job].cancelRequestedBy == nil
        else { return }
        if hasSucceeded(job, gang) {
            // Asked to end, each of them had done all there was to do.
            gang.ending = nil
            jobRows[job].gang = Shared(gang)
            for rank in 0..<jobRows[job].tasks.count { change(job, rank, to: .succeeded, &events) }
            return
        }
        guard !mayRepeat(job, gang) else {
            // What they have done was done together with one that has to do it again.
            for rank in 0..<jobRows[job].tasks.count { change(job, rank, to: .pending, &events) }
            jobRows[job].gang = nil
            return
        }
        ending.isFinal = true
        gang.ending = ending
        jobRows[job].gang = Shared(gang)
        if jobRows[job].firstFailure == nil { jobRows[job].firstFailure = ending.outcome.exitCode }
        for rank in 0..<jobRows[job].tasks.count {
            let outcome = jobRows[job].tasks[rank].attempts.last?.outcome
            change(job, rank, to: Self.lastState(of: rank, outcome, ending), &events)
        }
    }

    private func hasSucceeded(_ job: RowPosition, _ gang: GangRecord) -> Bool {
        let tasks = jobRows[job].tasks
        for rank in 0..<tasks.count {
            guard let last = tasks[rank].attempts.last, last.number == gang.attempt, last.outcome?.isSuccess == true
            else { return false }
        }
        return true
    }

    /// Lost hosts do not count, nor what else comes with one; failures of any rank do.
    private mutating func mayRepeat(_ job: RowPosition, _ gang: GangRecord) -> Bool {
        guard case .times(let count) = jobRows[job].spec.value.retry, let ending = gang.ending else { return false }
        if ending.outcome == .moved { return true }
        let tasks = jobRows[job].tasks
        for rank in 0..<tasks.count {
            guard let last = tasks[rank].attempts.last, last.number == gang.attempt else { continue }
            switch last.outcome {
            case .lost, .moved, .deviceFailed, .returned: return true
            default: break
            }
        }
        jobRows[job].tasks[ending.rank].failures += 1
        let failures = (0..<tasks.count).reduce(UInt64(1)) { $0 + UInt64(tasks[$1].failures) }
        return failures <= UInt64(count)
    }

    /// What is wrong with a gang, in sentences.
    func brokenGang(_ id: JobID, _ row: JobRow) -> [String] {
        guard let gang = row.spec.value.gang else { return row.gang == nil ? [] : ["job \(id) is no gang and has one"] }
        var broken: [String] = []
        var numbers: [UInt32] = []
        var nodes = Array(repeating: NodeID?.none, count: Int(gang.nodes))
        for rank in 0..<min(gang.ranks, row.tasks.count) {
            numbers.insertSorted(row.tasks[rank].nextAttempt)
            guard let attempt = row.tasks[rank].liveAttempt else { continue }
            let number = Int(gang.nodeRank(of: rank))
            if nodes[number] ?? attempt.node != attempt.node {
                broken.append("node \(number) of job \(id) is two nodes")
            }
            nodes[number] = attempt.node
            if row.gang?.value.attempt != attempt.number { broken.append("rank \(rank) of job \(id) runs another try") }
        }
        if numbers.count > 1 { broken.append("ranks of job \(id) have had \(numbers) attempts") }
        var distinct: [NodeID] = []
        for node in nodes.compactMap({ $0 }) where !distinct.insertSorted(node) {
            broken.append("two nodes of job \(id) are one")
        }
        let waiting = row.counts[.pending]
        if waiting > 0, waiting < row.tasks.count, row.gang?.value.ending?.isFinal ?? true {
            broken.append("job \(id) runs in part: \(waiting) of \(row.tasks.count) ranks wait")
        }
        if waiting == row.tasks.count, row.gang != nil { broken.append("job \(id) waits and remembers a try") }
        return broken
    }
}
