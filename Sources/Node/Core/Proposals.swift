import Codec
import Scheduler

/// The commands of this node that wait for an answer, in the order they came.
///
/// A proposal is sent to whoever leads, and again until it is seen applied: its request id makes a second copy
/// harmless.
struct Proposals: Sendable {
    struct Pending: Sendable {
        var entry: Entry
        var sent: Instant?
    }

    private let faults: NodeFaults
    private var order: [RequestID] = []
    private var pending: [RequestID: Pending] = [:]

    init(faults: NodeFaults = []) { self.faults = faults }

    var isEmpty: Bool { pending.isEmpty }
    var isFull: Bool { pending.count >= NodeConstants.proposalsPending }

    func isPending(_ request: RequestID) -> Bool { pending[request] != nil }

    mutating func add(_ entry: Entry) {
        if pending.updateValue(Pending(entry: entry), forKey: entry.request) == nil { order.append(entry.request) }
    }

    /// True if this node waited for it.
    mutating func remove(_ request: RequestID) -> Bool {
        guard pending.removeValue(forKey: request) != nil else { return false }
        if order.first == request {
            order.removeFirst()
        } else {
            order.removeAll { $0 == request }
        }
        return true
    }

    /// Everything is to be sent anew, because somebody else leads.
    mutating func forgetSent() {
        for request in order { pending[request]?.sent = nil }
    }

    /// What is due to be sent, marked as sent now.
    mutating func takeDue(now: Instant) -> [Entry] {
        var due: [Entry] = []
        for request in order {
            guard let proposal = pending[request] else { continue }
            if let sent = proposal.sent, sent + NodeConstants.proposalRetry > now { continue }
            pending[request]?.sent = now
            due.append(faults.contains(.newRequestOnRetry) ? renamed(proposal) : proposal.entry)
        }
        return due
    }

    private func renamed(_ proposal: Pending) -> Entry {
        var entry = proposal.entry
        if proposal.sent != nil { entry.request.high = ~entry.request.high }
        return entry
    }

    var nextDeadline: Instant? {
        var next: Instant?
        for request in order {
            guard let proposal = pending[request] else { continue }
            let due = proposal.sent.map { $0 + NodeConstants.proposalRetry } ?? .zero
            if next == nil || due < next! { next = due }
        }
        return next
    }
}
