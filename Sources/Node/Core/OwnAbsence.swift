import Codec
import Scheduler

/// A node's side of its absence: the lease that its supervisors hold meanwhile, and its end.
///
/// The daemon that goes gives them that lease once the mesh has said that it waits; it counts from when it asked. The daemon
/// that comes takes it back first, and then says that the node is back, because from then on the mesh waits no longer for
/// it than for any other.
struct OwnAbsence: Sendable {
    /// As the state has it.
    private var known: Absence?
    /// What this daemon has asked for, and when.
    private var asked: (id: UInt64, at: Instant)?
    private var isGranted = false
    /// The time of one that this daemon asked for has passed without it having gone.
    private var isPast = false
    /// The absence whose end has been proposed.
    private var ending: UInt64?

    /// This daemon is going to be away.
    mutating func asked(_ absence: Absence, now: Instant) {
        // Asked again, it still counts from the first time.
        if asked?.id != absence.id { asked = (absence.id, now) }
    }

    /// What the state says now.
    mutating func noticed(_ absence: Absence?) {
        guard absence != known else { return }
        known = absence
        isGranted = absence != nil && absence?.id == asked?.id
        isPast = false
    }

    /// Until when what this node runs may go on without its daemon; once for each absence.
    ///
    /// - Parameter leased: whether what runs here has a lease as that of any node. Without one the node may have been given
    ///   up: by an entry right behind that of its absence, that the leader wrote before it knew of that.
    mutating func takeGranted(leased: Bool) -> Instant? {
        guard isGranted, leased else { return nil }
        isGranted = false
        return end
    }

    /// The absence that is over, because another daemon asked for it or its time has passed; once for each.
    ///
    /// - Parameter leased: whether what runs here has a lease as that of any node.
    mutating func takeOver(leased: Bool, now: Instant) -> UInt64? {
        guard let known, known.id != ending else { return nil }
        if let end, now < end { return nil }
        isPast = true
        guard leased else { return nil }
        ending = known.id
        return known.id
    }

    /// When an absence that this daemon asked for is over without it having gone.
    var nextDeadline: Instant? { isPast ? nil : end }

    /// nil: there is none, or another daemon asked for it.
    private var end: Instant? {
        guard let known, let asked, known.id == asked.id else { return nil }
        return asked.at + Interval(nanoseconds: known.nanoseconds)
    }
}
