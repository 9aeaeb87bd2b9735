import Codec
import Scheduler

/// What this host is doing for the mesh: the attempts that its supervisors hold, beside what the state says they
/// should hold.
///
/// The difference of the two is the work: what has a place here and is held by no supervisor is started, what is held
/// and has no place any more is killed, what ended is reported until the mesh knows it. Nothing is decided before the
/// applied state is as new as this daemon (`LeaseHolder.hasCaughtUp`).
struct AttemptLedger: Sendable {
    enum Phase: Hashable, Sendable {
        /// It has no room yet; its directories are made.
        case waiting
        case starting
        case running
        case ended

        var isLive: Bool { self == .starting || self == .running }
    }

    struct Held: Hashable, Sendable {
        var phase: Phase
        var stopping: AttemptStop?
        /// The mesh has been asked to end the gang of which it is a rank.
        var movesGang = false
    }

    enum Step: Hashable, Sendable {
        case prepare(AttemptKey)
        case start(AttemptKey)
        case stop(AttemptKey, AttemptStop)
        /// It cannot stay, and the other ranks of its gang are to end with it.
        case moveGang(AttemptKey)
        case settled(AttemptKey)
    }

    /// Ascending by key.
    private var keys: [AttemptKey] = []
    private var held: [AttemptKey: Held] = [:]
    private var lines: WaitingLines
    /// In the order they happened.
    private var reports: [AttemptReport] = []
    /// The entry that carries the first `reportsInFlight` reports.
    private var carrier: RequestID?
    private var reportsInFlight = 0
    private var tookReportsAt = Instant.zero
    private let faults: NodeFaults

    init(faults: NodeFaults = []) {
        self.faults = faults
        lines = WaitingLines(faults: faults)
    }

    /// Whether a supervisor of this host may still be running something.
    var isIdle: Bool { held.values.allSatisfy { !$0.phase.isLive } }
    subscript(key: AttemptKey) -> Held? { held[key] }

    /// When waiting attempts are given back, if nothing ends before, or reports are due.
    var nextDeadline: Instant? {
        guard let due = reportsDue else { return lines.nextDeadline }
        return lines.nextDeadline.map { min($0, due) } ?? due
    }

    /// A supervisor that outlived the last daemon holds it.
    mutating func adopt(_ attempt: AdoptedAttempt) {
        if faults.contains(.forgetSupervisors) { return }
        insert(attempt.key, Held(phase: attempt.outcome == nil ? .running : .ended))
        let kind: AttemptReportKind = attempt.outcome.map { .ended($0) } ?? .running
        reports.append(AttemptReport(attempt: attempt.key, kind: kind, at: attempt.at))
    }

    /// The supervisor tells of an attempt. What has ended has ended: word that comes after it is not passed on.
    mutating func heard(_ report: AttemptReport) {
        guard let attempt = held[report.attempt], attempt.phase != .ended else { return }
        switch report.kind {
        case .preparing: break
        case .running: held[report.attempt]?.phase = .running
        case .ended:
            held[report.attempt]?.phase = .ended
            if attempt.phase.isLive { lines.freed(by: report.attempt.job) } else { lines.left(report.attempt) }
        }
        reports.append(report)
    }

    /// The next batch of reports for the log, if none is under way.
    mutating func takeReports(as request: RequestID, at now: Instant = .zero) -> [AttemptReport]? {
        guard carrier == nil, !reports.isEmpty else { return nil }
        carrier = request
        tookReportsAt = now
        reportsInFlight = min(reports.count, NodeConstants.reportsPerEntry)
        return Array(reports.prefix(reportsInFlight))
    }

    func hasReportsToTake(at now: Instant) -> Bool { reportsDue.map { $0 <= now } ?? false }

    /// When reports go to the log: at once, but while a line goes on by itself nobody waits for them, and many go together.
    private var reportsDue: Instant? {
        guard carrier == nil, !reports.isEmpty else { return nil }
        guard lines.areMoving, reports.count < NodeConstants.reportsPerEntry else { return tookReportsAt }
        return tookReportsAt + NodeConstants.reportPause
    }

    /// An entry of this node has been applied.
    mutating func answered(_ request: RequestID) {
        guard carrier == request else { return }
        carrier = nil
        reports.removeFirst(reportsInFlight)
        reportsInFlight = 0
    }

    /// The attempt was replaced: known as soon as the state says so, however old the rest of it may be, because a
    /// replaced attempt never becomes the current one again.
    mutating func superseded(_ key: AttemptKey) -> Step? {
        guard let attempt = held[key], attempt.phase.isLive, attempt.stopping != .superseded else { return nil }
        held[key]?.stopping = .superseded
        return .stop(key, .superseded)
    }

    /// Compares what is held with what the state wants here.
    ///
    /// - Parameters:
    ///   - wanted: the attempts that have a place on this node and have not ended.
    ///   - mayStart: whether the lease lasts long enough to start something.
    ///   - isLeaving: whether this node gives everything back because it leaves the mesh.
    mutating func compare(
        with wanted: [WantedAttempt], mayStart: Bool, isLeaving: Bool, at now: Instant, wallClock: Int64
    ) -> [Step] {
        var steps: [Step] = []
        lines.begin()
        for attempt in wanted {
            compare(attempt, mayStart: mayStart, isLeaving: isLeaving, wallClock, &steps)
            lines.count(
                attempt, held[attempt.key]?.phase,
                mayWait: !isLeaving && !attempt.isCancelled && attempt.stay == .asLongAsItTakes)
        }
        lines.finish(now: now)
        let wantedKeys = Set(wanted.map(\.key))
        for key in keys where !wantedKeys.contains(key) {
            guard let attempt = held[key] else { continue }
            if attempt.phase.isLive {
                if let stop = superseded(key) { steps.append(stop) }
            } else {
                steps.append(.settled(key))
            }
        }
        for case .settled(let key) in steps { forget(key) }
        return steps
    }

    private mutating func compare(
        _ attempt: WantedAttempt, mayStart: Bool, isLeaving: Bool, _ wallClock: Int64, _ steps: inout [Step]
    ) {
        let key = attempt.key
        guard let current = held[key], current.phase != .waiting else {
            // What a leaving node never began is given up with its membership: given back before, it could be
            // placed here again.
            if isLeaving { return }
            if attempt.hasStarted {
                // It ran here and no supervisor knows it: the host was reset. It must be replaced, not begun anew.
                end(key, .lost, at: wallClock)
            } else if let stop = attempt.gangStop, !attempt.isCancelled {
                end(key, stop.outcome, at: wallClock)
            } else if attempt.isCancelled {
                end(key, .cancelled, at: wallClock)
            } else if attempt.stay != .asLongAsItTakes {
                // Nothing more is placed here, so what has not begun is better off elsewhere.
                end(key, .returned, at: wallClock)
            } else if attempt.turn != nil {
                guard held[key] == nil else { return }
                insert(key, Held(phase: .waiting))
                steps.append(.prepare(key))
            } else if mayStart {
                insert(key, Held(phase: .starting))
                steps.append(.start(key))
            }
            return
        }
        if isLeaving, let stop = superseded(key) {
            steps.append(stop)
        } else if attempt.isCancelled, current.phase != .ended, current.stopping == nil {
            held[key]?.stopping = .cancelled
            steps.append(.stop(key, .cancelled))
        } else if let stop = attempt.gangStop, current.phase != .ended, mayEscalate(from: current.stopping, to: stop) {
            held[key]?.stopping = stop
            steps.append(.stop(key, stop))
        } else if attempt.movesAsOne, attempt.gangStop == nil, attempt.stay == .over, current.phase != .ended {
            // It is told with the others.
            moveGang(of: key, &steps)
        } else if attempt.stay == .over, current.phase != .ended, current.stopping == nil {
            held[key]?.stopping = .moved
            steps.append(.stop(key, .moved))
        } else if attempt.stay == .evicted, current.phase != .ended, !(current.stopping?.isHasty ?? false) {
            if attempt.movesAsOne, attempt.gangStop == nil { moveGang(of: key, &steps) }
            held[key]?.stopping = .evicted
            steps.append(.stop(key, .evicted))
        }
    }

    private mutating func moveGang(of key: AttemptKey, _ steps: inout [Step]) {
        guard held[key]?.movesGang == false else { return }
        held[key]?.movesGang = true
        steps.append(.moveGang(key))
    }

    /// What was asked to end in its own time is killed where the gang cannot wait for it.
    private func mayEscalate(from stopping: AttemptStop?, to stop: AttemptStop) -> Bool {
        stopping == nil || stopping == .moved && stop == .gangEnded
    }

    /// What waits begins where an attempt of its job has ended, in the order of the state, before the mesh has heard of
    /// that end: the state gives the same room to the same attempt when it does. What waited too long is given back.
    mutating func moveLines(mayStart: Bool, at now: Instant, wallClock: Int64) -> [Step] {
        var steps: [Step] = []
        while mayStart, let key = lines.takeNext(now: now) {
            held[key]?.phase = .starting
            steps.append(.start(key))
        }
        for key in lines.takeOverdue(now: now) { end(key, .returned, at: wallClock) }
        return steps
    }

    private mutating func end(_ key: AttemptKey, _ outcome: Outcome, at wallClock: Int64) {
        insert(key, Held(phase: .ended))
        reports.append(AttemptReport(attempt: key, kind: .ended(outcome), at: wallClock))
    }

    /// Jobs of which an attempt was replaced and is not gone yet: their lease page stands still.
    var jobsHeldBack: [JobID] {
        if faults.contains(.thawReplaced) { return [] }
        var jobs: [JobID] = []
        for key in keys {
            guard let attempt = held[key], attempt.stopping == .superseded, attempt.phase != .ended else { continue }
            if jobs.last != key.job { jobs.append(key.job) }
        }
        return jobs
    }

    private mutating func insert(_ key: AttemptKey, _ attempt: Held) {
        if held.updateValue(attempt, forKey: key) == nil {
            let index = keys.lastIndex { $0 < key }.map { $0 + 1 } ?? keys.startIndex
            keys.insert(key, at: index)
        }
    }

    private mutating func forget(_ key: AttemptKey) {
        held[key] = nil
        keys.removeAll { $0 == key }
    }
}

/// An attempt that the state wants on this node.
struct WantedAttempt: Hashable, Sendable {
    var key: AttemptKey
    var hasStarted: Bool
    var isCancelled: Bool
    /// Its place in the line for room of its job; nil: it has room.
    var turn: UInt64?
    var stay: Stay
    /// It has to end because another rank of its gang did; nil: it does not.
    var gangStop: AttemptStop?
    /// It is a rank of a gang in a mesh that can be asked to end all of them together.
    var movesAsOne: Bool

    /// Whether it may be here.
    enum Stay: Hashable, Sendable {
        case asLongAsItTakes
        /// The node is drained: what has begun may end here.
        case toItsEnd
        /// The node is drained: it goes on elsewhere.
        case over
        /// The owner of the host wants it alone, at once.
        case evicted
    }

    init(
        key: AttemptKey, hasStarted: Bool, isCancelled: Bool, turn: UInt64? = nil, stay: Stay = .asLongAsItTakes,
        gangStop: AttemptStop? = nil, movesAsOne: Bool = false
    ) {
        self.movesAsOne = movesAsOne
        self.gangStop = gangStop
        self.stay = stay
        self.key = key
        self.hasStarted = hasStarted
        self.isCancelled = isCancelled
        self.turn = turn
    }
}
