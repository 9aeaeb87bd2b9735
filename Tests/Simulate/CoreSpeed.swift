import Codec
import Raft

/// How many commits a second three cores in one thread reach, with a network and disks that cost nothing.
///
/// The same work as etcd's core does beside it (docs/benchmarks.md): each batch of 64-byte entries is proposed, sent,
/// written to three logs in memory, acknowledged, committed and applied on all three nodes before the next one begins, and
/// a node gets everything that has arrived for it as one turn. At the end all three must have applied the same entries.
struct CoreSpeed {
    private struct Node {
        var core: RaftCore
        var inbox: [RaftInput] = []
        /// What the node's disk would hold, and how much was let go at its front.
        var log: [RaftEntry] = []
        var dropped = 0
        var appliedCount = 0
        /// Folds the index and the length of all that was applied, so that nothing can be skipped unnoticed.
        var appliedFold: UInt64 = 0
    }

    private var nodes: [Node]
    private var turn: [RaftInput] = []
    private var effects: [RaftEffect] = []
    private var now = Instant.zero

    init() {
        let voters = (1...3).map { NodeID(UInt64($0)) }
        let restored = RaftRestored(
            hardState: RaftHardState(term: 1, commitIndex: 1),
            entries: [RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: voters)))])
        nodes = voters.map { id in
            Node(
                core: RaftCore(id: id, restored: restored, seed: id.rawValue, now: .zero), log: restored.entries)
        }
    }

    /// Entries committed per second of real time.
    mutating func commitsPerSecond(batch: Int, for duration: Duration) -> Double {
        elect()
        let proposals = (0..<batch).map { RaftInput.propose(id: UInt64($0), entry: [UInt8](repeating: 7, count: 64)) }
        let first = nodes[0].core.commitIndex
        let clock = ContinuousClock()
        let start = clock.now
        var rounds = 0
        while rounds % 64 != 0 || clock.now - start < duration {
            rounds += 1
            now = now + Interval(nanoseconds: 1_000)
            nodes[0].inbox += proposals
            settle()
            if nodes[0].core.lastIndex - nodes[0].core.snapshotIndex > 50_000 { compact() }
        }
        let seconds = (clock.now - start) / .seconds(1)
        let committed = Int(nodes[0].core.commitIndex - first)
        precondition(committed == rounds * batch, "\(committed) of \(rounds * batch) entries were committed")
        for node in nodes {
            precondition(node.appliedCount == Int(nodes[0].core.commitIndex), "not all was applied everywhere")
            precondition(node.appliedFold == nodes[0].appliedFold, "different entries were applied")
            precondition(node.dropped + node.log.count == node.appliedCount, "not all was written everywhere")
        }
        return Double(committed) / seconds
    }

    private mutating func elect() {
        now = now + .seconds(1)
        nodes[0].inbox.append(.timer)
        settle()
        precondition(nodes[0].core.role == .leader)
    }

    private mutating func compact() {
        for position in nodes.indices {
            let plan = nodes[position].core.snapshotPlan
            nodes[position].inbox.append(.snapshotTaken(RaftSnapshot(plan, content: [])))
        }
        settle()
    }

    /// Gives turns until nothing is left to do.
    private mutating func settle() {
        var isSettled = false
        while !isSettled {
            isSettled = true
            for position in nodes.indices where !nodes[position].inbox.isEmpty {
                isSettled = false
                swap(&turn, &nodes[position].inbox)
                nodes[position].core.handle(turn, at: now, into: &effects)
                turn.removeAll(keepingCapacity: true)
                for effect in effects { perform(effect, of: position) }
                effects.removeAll(keepingCapacity: true)
            }
        }
    }

    private mutating func perform(_ effect: RaftEffect, of position: Int) {
        switch effect {
        case .persist(let persist):
            nodes[position].log += persist.entries
            if let last = persist.compactThrough, Int(last) > nodes[position].dropped {
                nodes[position].log.removeFirst(Int(last) - nodes[position].dropped)
                nodes[position].dropped = Int(last)
            }
            nodes[position].inbox.append(.persisted(persist.token...persist.token))
        case .send(let peer, let message):
            nodes[Int(peer.rawValue) - 1].inbox.append(.received(from: NodeID(UInt64(position) + 1), message))
        case .apply(let entries):
            for entry in entries {
                nodes[position].appliedCount += 1
                nodes[position].appliedFold =
                    nodes[position].appliedFold &* 31 &+ entry.index &+ UInt64(entry.command?.count ?? 0)
            }
        case .stop(let error): preconditionFailure(error.message)
        default: break
        }
    }
}
