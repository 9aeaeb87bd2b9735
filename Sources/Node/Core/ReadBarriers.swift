import Codec

/// The reads of this node's callers that wait until the state here is as new as the mesh was when they were asked for
/// (ReadIndex through the leader, Ongaro's thesis, section 6.4).
///
/// Reads that arrive together ask once. A batch whose answer is lost is asked again under its own number: a later
/// index serves it as well.
struct ReadBarriers: Sendable {
    private struct Batch: Sendable {
        var sequence: UInt64
        var ids: [UInt64]
        /// nil: to be asked.
        var asked: Instant?
        /// nil: not yet answered.
        var index: UInt64?
    }

    /// In the order they were asked; few, because what comes while `openMax` are open waits together.
    private var batches: [Batch] = []
    private var waiting: [UInt64] = []
    private var sequence: UInt64

    private static let openMax = 4

    /// - Parameter boot: random bits of this start of the daemon, so that an answer to the one before says nothing here.
    init(boot: UInt64) { sequence = boot }

    mutating func add(_ id: UInt64) { waiting.append(id) }

    mutating func abandon(_ id: UInt64) {
        waiting.removeAll { $0 == id }
        for index in batches.indices { batches[index].ids.removeAll { $0 == id } }
        batches.removeAll(where: \.ids.isEmpty)
    }

    /// Somebody else leads: whatever has no index is asked again.
    mutating func forgetAsked() {
        for index in batches.indices { batches[index].asked = nil }
    }

    /// The number to ask the leader under, where there is something to ask. One a turn is enough: what else waits has
    /// waited no longer than a message takes.
    mutating func takeDue(now: Instant) -> UInt64? {
        if let index = batches.firstIndex(where: { $0.index == nil && Self.due($0) <= now }) {
            batches[index].asked = now
            return batches[index].sequence
        }
        guard !waiting.isEmpty, batches.count < Self.openMax else { return nil }
        sequence &+= 1
        batches.append(Batch(sequence: sequence, ids: waiting, asked: now))
        waiting = []
        return sequence
    }

    mutating func answered(_ sequence: UInt64, index: UInt64) {
        guard let batch = batches.firstIndex(where: { $0.sequence == sequence && $0.index == nil }) else { return }
        batches[batch].index = index
    }

    /// Those whose index has been applied, in the order they were asked for within their batches.
    mutating func takeReadable(_ applied: UInt64) -> [UInt64] {
        guard !batches.isEmpty else { return [] }
        var ids: [UInt64] = []
        batches.removeAll { batch in
            guard let index = batch.index, index <= applied else { return false }
            ids += batch.ids
            return true
        }
        return ids
    }

    /// When something is to be asked (again).
    var nextDeadline: Instant? {
        let due = batches.lazy.filter { $0.index == nil }.map(Self.due).min()
        return !waiting.isEmpty && batches.count < Self.openMax ? .zero : due
    }

    private static func due(_ batch: Batch) -> Instant {
        batch.asked.map { $0 + NodeConstants.readRetry } ?? .zero
    }
}
