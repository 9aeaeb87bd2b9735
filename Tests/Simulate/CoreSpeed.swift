import Codec
import Raft

/// How many commits a second three cores in one thread reach, with a network and disks that cost nothing.
///
/// The same set-up as the etcd/raft figure of docs/benchmarks.md: 64-byte entries, `batch` of them per turn.
struct CoreSpeed {
    private var cores: [RaftCore]
    private var inbox: [(to: Int, input: RaftInput)] = []
    private var effects: [RaftEffect] = []
    private var now = Instant.zero

    init() {
        let voters = (1...3).map { NodeID(UInt64($0)) }
        let restored = RaftRestored(
            hardState: RaftHardState(term: 1, commitIndex: 1),
            entries: [RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: voters)))])
        cores = voters.map { RaftCore(id: $0, restored: restored, seed: $0.rawValue, now: .zero) }
    }

    /// Entries committed per second of real time.
    mutating func commitsPerSecond(batch: Int, for duration: Duration) -> Double {
        elect()
        let proposals = (0..<batch).map { RaftInput.propose(id: UInt64($0), entry: [UInt8](repeating: 7, count: 64)) }
        let first = cores[0].commitIndex
        let clock = ContinuousClock()
        let start = clock.now
        var turns = 0
        while turns % 64 != 0 || clock.now - start < duration {
            turns += 1
            now = now + Interval(nanoseconds: 1_000)
            turn(0, proposals)
            settle()
            if cores[0].lastIndex - cores[0].snapshotIndex > 50_000 { compact() }
        }
        let seconds = (clock.now - start) / .seconds(1)
        return Double(cores[0].commitIndex - first) / seconds
    }

    private mutating func elect() {
        guard cores[0].role != .leader else { return }
        now = now + .seconds(1)
        turn(0, [.timer])
        settle()
        precondition(cores[0].role == .leader)
    }

    private mutating func compact() {
        for position in cores.indices {
            turn(position, [.snapshotTaken(index: cores[position].appliedIndex, data: [])])
        }
        settle()
    }

    private mutating func turn(_ position: Int, _ inputs: [RaftInput]) {
        cores[position].handle(inputs, at: now, into: &effects)
        for effect in effects {
            switch effect {
            case .persist(let persist): inbox.append((position, .persisted(upTo: persist.token)))
            case .send(let peer, let message):
                inbox.append((Int(peer.rawValue) - 1, .received(from: NodeID(UInt64(position) + 1), message)))
            default: break
            }
        }
        effects.removeAll(keepingCapacity: true)
    }

    private mutating func settle() {
        while !inbox.isEmpty {
            let round = inbox
            inbox.removeAll(keepingCapacity: true)
            for (to, input) in round { turn(to, [input]) }
        }
    }
}
