import Codec

/// A node's side of its lease: until when its attempts may run.
///
/// The deadline counts from the moment a renewal was *sent*, so that it always lies before the moment at which the
/// leader, who counts from when it *received* it, may replace anything. It moves only once this node has applied the
/// log as far as the leader had when it granted: a node that was replaced meanwhile then knows it.
struct LeaseHolder: Sendable {
    private struct Renewal: Sendable {
        var sequence: UInt64
        var sent: Instant
    }
    private struct Grant: Sendable {
        var sent: Instant
        var index: UInt64
    }

    private var renewals: [Renewal] = []
    /// Those whose index is not applied yet, by when their renewal was sent. A node that always lags behind a little
    /// reaches the older ones while newer ones come.
    private var grants: [Grant] = []
    /// Of the newest renewal.
    private(set) var sequence: UInt64
    /// When the newest renewal was sent that has been granted.
    private var answered: Instant?
    /// Never moves back.
    private(set) var deadline = Instant(nanoseconds: .min)
    private(set) var nextRenewal: Instant
    /// Whether a grant has ever been reached: from then on the applied state is no older than this daemon.
    private(set) var hasCaughtUp = false

    private let faults: NodeFaults

    /// - Parameter boot: random bits of this start of the daemon. Numbers begin there, so that a grant that was meant for
    ///   an earlier start, and comes late, answers nothing.
    init(now: Instant, boot: UInt64 = 0, faults: NodeFaults = []) {
        nextRenewal = now
        sequence = boot >> 1
        self.faults = faults
    }

    /// A renewal is due; the answer is its number.
    mutating func renew(now: Instant) -> UInt64 {
        sequence += 1
        renewals.append(Renewal(sequence: sequence, sent: now))
        renewals.removeAll { now - $0.sent > NodeConstants.lease }
        nextRenewal = now + (isInDoubt(now) ? NodeConstants.leaseRenewalInDoubt : NodeConstants.leaseRenewal)
        return sequence
    }

    /// Renewals get lost, or their grants, and the lease has not run out for long.
    private func isInDoubt(_ now: Instant) -> Bool {
        guard let answered else { return false }
        return now - answered > NodeConstants.leaseDoubt && now - answered < NodeConstants.lease * 2
    }

    /// Renews at once, because there is somebody new to ask.
    mutating func hasten(now: Instant) { nextRenewal = now }

    mutating func granted(sequence: UInt64, index: UInt64, now: Instant) {
        guard let renewal = renewals.first(where: { $0.sequence == sequence }) else { return }
        answered = max(answered ?? renewal.sent, renewal.sent)
        let isEarly = faults.contains(.leaseBeforeApplied)
        let counts = faults.contains(.leaseFromArrival) ? now : renewal.sent
        // Renewals come twice a second, and those older than a lease give nothing: a handful at most.
        grants.removeAll { now - $0.sent > NodeConstants.lease || $0.sent == counts }
        let place = grants.lastIndex { $0.sent < counts }.map { $0 + 1 } ?? 0
        grants.insert(Grant(sent: counts, index: isEarly ? 0 : index), at: place)
    }

    /// The state is applied up to here; the answer is the new deadline if a grant has been reached.
    mutating func applied(upTo index: UInt64) -> Instant? {
        guard let newest = grants.lastIndex(where: { $0.index <= index }) else { return nil }
        let reached = grants[newest]
        grants.removeFirst(newest + 1)
        hasCaughtUp = true
        let until = reached.sent + NodeConstants.lease
        guard until > deadline else { return nil }
        deadline = until
        return until
    }
}
