import Codec

/// One round of placing, in slices: best fit over CPUs, memory and GPUs, jobs in the order they came.
///
/// With many nodes and many waiting jobs a round takes longer than anything may hold the control ring, so it stops
/// after a slice and goes on with the state as it is then. A job whose tasks fit nowhere does not hold up later ones,
/// but for the first gang that waits: what it needs is kept on the nodes that will have it soonest, so that small jobs do
/// not pass it by for ever.
/// Nothing here is replicated, so it may change between versions. The round works on copies of what is free; `apply`
/// checks each placement again.
public struct PlacementRound: Sendable {
    /// Waiting jobs that one round looks at.
    public static let jobsExaminedMax = 4_096
    /// About how many rooms a slice looks at; a job costs as much as four of them, a placement as eight. A millisecond
    /// or less on the machines of docs/benchmarks.md.
    public static let sliceWork = 2_048

    /// What to propose, in the order it was decided; each is void where the state has moved on.
    public private(set) var placements: [Placement] = []
    /// The last job that was looked at, where more wait behind it than one round looks at.
    public private(set) var stoppedAfter: JobID?
    /// The gang for which room is kept; nil where none waits for room.
    public private(set) var reservedFor: JobID?
    /// How much was looked at, in the units of `sliceWork`.
    public private(set) var work = 0

    private let avoid: NodeID?
    private let limit: Int
    private var phase = Phase.collecting(from: nil)
    private var rooms: [Room] = []
    /// The first job and task that have not been decided.
    private var job: JobID
    private var task: UInt32 = 0
    private var examined = 0
    /// Where the search for the task's room stands.
    private var search: Search?
    /// Where the search for the nodes of the gang stands.
    private var gangSearch: GangSearch?
    /// Behind which job the round goes on once it has looked at the gang for which room was kept before.
    private var resumesAfter: JobID?
    /// The room that was best for such a task; only asked for one at a time, never walked through.
    private var lastRooms: [Wish: Int] = [:]
    /// Requests that fitted nowhere in this round; only asked whether it holds one, never walked through.
    private var hopeless: Set<Resources> = []
    /// Only for the first job that could use the room at all: the line of a later one would pass it by.
    private var mayGoAhead = true

    private enum Phase {
        case collecting(from: NodeID?)
        case placing
        case goingAhead(Ahead)
        case over
    }

    /// A job whose tasks wait in lines behind its attempts, and how far that has come.
    private struct Ahead: Sendable {
        var job: JobID
        /// The first task that has no place and has not been looked at.
        var task: UInt32
        var depth = 0
        /// The room to be looked at next; first whether it could hold such a task, then how long its line may grow.
        var room = 0
        var step = Step.asking
        var lines: [(room: Int, open: Int)] = []

        enum Step: Sendable { case asking, measuring, filling }
    }

    /// What makes a room the best one for a task that was never tried.
    private struct Wish: Hashable {
        var resources: Resources
        var holders: [NodeID]
    }

    private struct Search {
        var next = 0
        var best: (index: Int, score: Room.Score)?
    }

    /// - Parameters:
    ///   - avoid: taken only where it is no worse than others: the leader itself.
    ///   - limit: placements at most.
    ///   - after: where the round before this one stopped.
    ///   - reserved: the gang for which that one kept room: it is looked at first.
    public init(avoid: NodeID? = nil, limit: Int, after: JobID? = nil, reserved: JobID? = nil) {
        self.avoid = avoid
        self.limit = limit
        job = after.map { $0 + 1 } ?? 0
        if let after, let reserved, reserved <= after {
            job = reserved
            resumesAfter = after
        }
    }

    /// Goes on for a slice; true when the round is over.
    ///
    /// - Parameters:
    ///   - ahead: how many tasks of a job may wait on a node for each of its attempts there.
    ///   - mayTake: whether a present node may be given anything.
    public mutating func advance(
        _ state: SchedulerState, slice: Int = PlacementRound.sliceWork, ahead: (JobID) -> Int = { _ in 0 },
        mayTake: (NodeID) -> Bool = { _ in true }
    ) -> Bool {
        let end = work + slice
        while work < end {
            switch phase {
            case .collecting(let from): collect(state, from: from, until: end, mayTake)
            case .placing: placeNext(state, until: end)
            case .goingAhead(let line): goAhead(line, state, ahead, until: end)
            case .over: return true
            }
        }
        if case .over = phase { return true }
        return false
    }

    private mutating func collect(
        _ state: SchedulerState, from: NodeID?, until end: Int, _ mayTake: (NodeID) -> Bool
    ) {
        var next: NodeID?
        var found: [Room] = []
        var looked = 0
        state.nodeRows.forEach(from: from) { (id, row) in
            guard work + looked < end else {
                next = id
                return false
            }
            looked += 1
            guard row.record.takesWork, mayTake(id) else { return true }
            found.append(Room(id: id, capacity: row.record.capacity, free: row.free))
            return true
        }
        rooms += found
        work += looked
        phase = next.map { .collecting(from: $0) } ?? .placing
    }

    /// One task, or the part of its search that fits into the slice.
    private mutating func placeNext(_ state: SchedulerState, until end: Int) {
        guard placements.count < limit else { return finish() }
        guard let (waiting, _) = state.waiting.first(notBelow: job), let position = state.jobRows.find(waiting) else {
            return finish()
        }
        if waiting != job {
            if resumesAfter != nil { return nextJob() }
            job = waiting
            task = 0
            search = nil
            gangSearch = nil
        }
        if let gang = state.jobRows[position].spec.value.gang {
            return place(gang, state.jobRows[position], state, end)
        }
        let resources = state.jobRows[position].spec.value.resources
        guard let index = state.jobRows[position].pending.range(from: task)?.lowerBound else { return nextJob() }
        guard !hopeless.contains(resources) else { return leave(from: index) }
        if index != task {
            task = index
            search = nil
        }
        let record = state.jobRows[position].tasks[index]
        let key = TaskKey(job: job, index: index)
        let checkpoint = record.checkpoints.isEmpty ? nil : state.newestCheckpoint(key, where: state.isPresent)
        let tree = state.jobRows[position].spec.value.workingTree
        let wish = Wish(
            resources: resources, holders: checkpoint?.holders ?? tree.map { state.holders(ofTree: $0) } ?? [])
        // A room that was best stays best while it fills, unless this task has a history of its own.
        let isFresh = record.attempts.isEmpty
        if isFresh, search == nil, let room = lastRooms[wish], rooms[room].fits(resources) {
            return take(room, resources, AttemptKey(key, attempt: record.nextAttempt), checkpoint?.number)
        }
        guard look(for: wish, record.attempts, until: end) else { return }
        guard let room = search?.best?.index else {
            hopeless.insert(resources)
            return leave(from: index)
        }
        if isFresh { lastRooms[wish] = room }
        take(room, resources, AttemptKey(key, attempt: record.nextAttempt), checkpoint?.number)
    }

    /// The job's tasks from this one on find no room now.
    private mutating func leave(from index: UInt32) {
        search = nil
        guard mayGoAhead else { return nextJob() }
        phase = .goingAhead(Ahead(job: job, task: index))
    }

    private mutating func nextJob() {
        phase = .placing
        work += 4
        examined += 1
        search = nil
        gangSearch = nil
        if examined >= Self.jobsExaminedMax {
            stoppedAfter = resumesAfter ?? job
            return finish()
        }
        job = (resumesAfter ?? job) + 1
        resumesAfter = nil
        task = 0
    }

    private mutating func finish() {
        phase = .over
        rooms = []
        lastRooms = [:]
    }

    /// Searches all rooms for the best one; false where the slice ended before.
    private mutating func look(for wish: Wish, _ history: [Attempt], until end: Int) -> Bool {
        var search = search ?? Search()
        self.search = nil
        while search.next < rooms.count, work < end {
            let index = search.next
            search.next += 1
            work += 1
            guard rooms[index].fits(wish.resources) else { continue }
            let score = rooms[index].score(wish.resources, wish.holders, history, avoid: avoid)
            if let best = search.best, best.score <= score { continue }
            search.best = (index, score)
        }
        let isDone = search.next >= rooms.count
        self.search = search
        return isDone
    }

    private mutating func take(
        _ index: Int, _ resources: Resources, _ attempt: AttemptKey, _ checkpoint: UInt64?
    ) {
        work += 8
        search = nil
        placements.append(rooms[index].take(resources, attempt, checkpoint))
        task += 1
    }

    // MARK: Gangs

    /// All ranks of the gang get their place, or room is kept for them; what of its search fits into the slice.
    private mutating func place(_ gang: GangSpec, _ row: JobRow, _ state: SchedulerState, _ end: Int) {
        guard row.counts[.pending] == row.tasks.count else { return nextJob() }
        guard placements.isEmpty || placements.count + Int(gang.ranks) <= limit else { return finish() }
        let first = TaskKey(job: job, index: 0)
        let checkpoint = row.tasks[0].checkpoints.isEmpty ? nil : state.newestCheckpoint(first, where: state.isPresent)
        var search = gangSearch ?? self.search(for: gang, row, checkpoint, state)
        gangSearch = nil
        while search.next < rooms.count, work < end {
            search.look(at: rooms[search.next])
            work += 2
        }
        guard search.next >= rooms.count else {
            gangSearch = search
            return
        }
        let resources = row.spec.value.resources
        switch search.result(rooms) {
        case .place(let chosen):
            for rank in 0..<gang.ranks {
                let key = AttemptKey(TaskKey(job: job, index: rank), attempt: row.tasks[rank].nextAttempt)
                work += 8
                placements.append(
                    rooms[chosen[Int(gang.nodeRank(of: rank))]].take(resources, key, checkpoint?.number))
            }
        case .wait(let chosen):
            guard reservedFor == nil else { break }
            reservedFor = job
            // What stood in line behind a later job would never leave the room.
            mayGoAhead = false
            for room in chosen {
                guard let share = gang.share(of: resources, on: rooms[room].capacity) else { continue }
                rooms[room].reserve(share)
            }
        case .nowhere: break
        }
        nextJob()
    }

    private func search(
        for gang: GangSpec, _ row: JobRow, _ checkpoint: Checkpoint?, _ state: SchedulerState
    ) -> GangSearch {
        var failed: [Attempt] = []
        for rank in 0..<gang.ranks {
            guard let last = row.tasks[rank].attempts.last, case .hostFailed = last.outcome else { continue }
            failed.append(last)
        }
        let holders = checkpoint?.holders ?? row.spec.value.workingTree.map { state.holders(ofTree: $0) } ?? []
        return GangSearch(gang, row.spec.value.resources, holders: holders, failed: failed, avoid: avoid)
    }

    // MARK: Lines

    /// Lines of tasks that nobody has tried yet, behind the attempts of their job: the next begins when one ends and does
    /// not wait for the log. A line is filled when it is half empty, so that many go into one entry.
    private mutating func goAhead(
        _ begun: Ahead, _ state: SchedulerState, _ depth: (JobID) -> Int, until end: Int
    ) {
        var line = begun
        guard let position = state.jobRows.find(line.job) else { return nextJob() }
        let resources = state.jobRows[position].spec.value.resources
        switch line.step {
        case .asking:
            guard line.room < rooms.count else { return nextJob() }
            work += 1
            guard Fit.everFits(resources, rooms[line.room].capacity) else {
                line.room += 1
                break
            }
            mayGoAhead = false
            line.depth = depth(line.job)
            // Without a retry, one that is lost with its node could not be told from one that had begun.
            guard line.depth > 0, resources.gpus == 0, state.jobRows[position].spec.value.retry != .never else {
                return nextJob()
            }
            line.step = .measuring
            line.room = 0
        case .measuring:
            guard line.room < rooms.count else {
                line.step = .filling
                break
            }
            measure(&line, state)
        case .filling:
            guard fill(&line, state.jobRows[position], until: end) else { return nextJob() }
        }
        phase = .goingAhead(line)
    }

    private mutating func measure(_ line: inout Ahead, _ state: SchedulerState) {
        defer { line.room += 1 }
        work += 1
        guard let position = state.nodeRows.find(rooms[line.room].id) else { return }
        let count = state.rooms(of: line.job, on: state.nodeRows[position], atMost: SchedulerLimits.waitingPerNodeMax)
        work += count
        let wanted = min(count * line.depth, SchedulerLimits.waitingPerNodeMax)
        let have = state.nodeRows[position].line.count
        if have < wanted, have * 2 <= wanted { line.lines.append((line.room, wanted - have)) }
    }

    /// False where there is no more to be done.
    private mutating func fill(_ line: inout Ahead, _ job: JobRow, until end: Int) -> Bool {
        while work < end {
            guard placements.count < limit, let last = line.lines.indices.last,
                let index = job.pending.range(from: line.task)?.lowerBound
            else { return false }
            work += 1
            line.task = index + 1
            guard job.tasks[index].attempts.isEmpty else { continue }
            work += 8
            let room = rooms[line.lines[last].room]
            let resources = job.spec.value.resources
            placements.append(
                Placement(
                    attempt: AttemptKey(TaskKey(job: line.job, index: index), attempt: 1), node: room.id,
                    cpuMillis: resources.cpuMillis, memoryBytes: MemoryRule.bytes(for: resources, on: room.capacity),
                    waits: true))
            line.lines[last].open -= 1
            if line.lines[last].open == 0 { line.lines.removeLast() }
        }
        return true
    }
}
