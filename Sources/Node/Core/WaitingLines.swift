import Codec
import Scheduler

/// The attempts on this host that wait for the room of another one of their job.
///
/// A job has as many rooms here as the state gives it; the state passes them on from one attempt to the next. As many of
/// the job's attempts may live here at once, and who waits begins in the order of the turns: so the host may run ahead of
/// the log and never takes more than the state will give.
struct WaitingLines: Sendable {
    private struct Line: Sendable {
        var job: JobID
        /// Attempts of the job that have room by the state.
        var rooms = 0
        /// Attempts of the job that live here, or are about to.
        var taken = 0
        /// Latest turn first: the next one is the last.
        var waiting: [(turn: UInt64, key: AttemptKey)] = []
        /// When the line last moved.
        var movedAt: Instant?
    }

    /// Ascending by job.
    private var lines: [Line] = []
    private var before: [Line] = []
    private let faults: NodeFaults

    init(faults: NodeFaults = []) { self.faults = faults }

    /// A new look at the state begins.
    mutating func begin() {
        before = lines
        lines = []
    }

    /// - Parameters:
    ///   - attempt: as the state wants it; ascending by key.
    ///   - phase: what it is here, nil: not begun.
    mutating func count(_ attempt: WantedAttempt, _ phase: AttemptLedger.Phase?, mayWait: Bool) {
        if lines.last?.job != attempt.key.job { lines.append(Line(job: attempt.key.job)) }
        let last = lines.count - 1
        if attempt.turn == nil { lines[last].rooms += 1 }
        switch phase {
        case .starting, .running: lines[last].taken += 1
        // It has room and waits for a lease.
        case nil where attempt.turn == nil: lines[last].taken += 1
        case .waiting where attempt.turn == nil: lines[last].taken += 1
        case .waiting:
            if mayWait, let turn = attempt.turn { lines[last].waiting.append((turn, attempt.key)) }
        case nil, .ended: break
        }
    }

    mutating func finish(now: Instant) {
        lines.removeAll { $0.waiting.isEmpty }
        for index in lines.indices {
            lines[index].waiting.sort { $0.turn > $1.turn }
            lines[index].movedAt = before.first { $0.job == lines[index].job }?.movedAt ?? now
        }
        before = []
    }

    /// An attempt of this job is over.
    mutating func freed(by job: JobID) {
        guard let index = lines.firstIndex(where: { $0.job == job }) else { return }
        lines[index].taken -= 1
    }

    /// This one waits no longer: it ended before it began.
    mutating func left(_ key: AttemptKey) {
        guard let index = lines.firstIndex(where: { $0.job == key.job }) else { return }
        lines[index].waiting.removeAll { $0.key == key }
    }

    /// Who begins now.
    mutating func takeNext(now: Instant) -> AttemptKey? {
        let extra = faults.contains(.beginWithoutRoom) ? 1 : 0
        guard let index = lines.firstIndex(where: { !$0.waiting.isEmpty && $0.taken < $0.rooms + extra }) else {
            return nil
        }
        lines[index].taken += 1
        lines[index].movedAt = now
        return lines[index].waiting.removeLast().key
    }

    var nextDeadline: Instant? {
        lines.filter { !$0.waiting.isEmpty }.compactMap { $0.movedAt.map { $0 + NodeConstants.aheadPatience } }.min()
    }

    /// Whether there is somebody to go on when an attempt ends.
    var areMoving: Bool { lines.contains { !$0.waiting.isEmpty } }

    /// Who has waited too long, in their order.
    mutating func takeOverdue(now: Instant) -> [AttemptKey] {
        var overdue: [AttemptKey] = []
        for index in lines.indices {
            guard let moved = lines[index].movedAt, moved + NodeConstants.aheadPatience <= now else { continue }
            overdue += lines[index].waiting.reversed().map(\.key)
            lines[index].waiting = []
        }
        return overdue
    }
}
