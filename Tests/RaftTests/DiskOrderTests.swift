import Codec
import Testing

@testable import Raft

/// Disks that finish writes in any order (etcd#1690, openraft#1960).
@Suite struct DiskOrderTests {
    @Test("an append is acknowledged once it and all writes before it are durable, whatever finishes first")
    func order() throws {
        var follower = Follower()
        follower.append(term: 2, after: 1, of: 2, count: 1)
        follower.append(term: 2, after: 2, of: 2, count: 2)
        follower.append(term: 2, after: 4, of: 2, count: 1)
        let tokens = follower.unconfirmed
        #expect(tokens.count == 3)
        follower.confirm(tokens[2])
        follower.confirm(tokens[1])
        #expect(follower.acknowledged.isEmpty)
        follower.confirm(tokens[0])
        #expect(follower.acknowledged == [2, 4, 5])
        follower.confirm(tokens[1])
        #expect(follower.acknowledged == [2, 4, 5])
    }

    @Test("the end of an old write says nothing about entries that took the place of its own")
    func replaced() throws {
        var follower = Follower()
        follower.append(term: 2, after: 1, of: 2, count: 4)
        follower.append(term: 3, after: 2, of: 2, count: 3)
        let tokens = follower.unconfirmed
        follower.confirm(tokens[0])
        #expect(follower.acknowledged.isEmpty)
        #expect(follower.core.disk.durableIndex == 2)
        follower.confirm(tokens[1])
        #expect(follower.core.disk.durableIndex == 5 && follower.acknowledged == [5])
    }

    /// A follower, its disk, and what it has told its leader.
    private struct Follower {
        var core: RaftCore
        var writes: [RaftPersist] = []
        var confirmed: Set<UInt64> = []
        var acknowledged: [UInt64] = []
        /// The first acknowledgement of something that a crash could have lost.
        var broken: String?

        init() {
            let restored = RaftRestored(
                hardState: RaftHardState(term: 2, commitIndex: 1),
                entries: [
                    RaftEntry(
                        index: 1, term: 2,
                        payload: .membership(RaftMembership(voters: [NodeID(1), NodeID(2), NodeID(3)])))
                ])
            core = RaftCore(id: NodeID(1), restored: restored, seed: 1, now: .zero)
        }

        var unconfirmed: [UInt64] { writes.map(\.token).filter { !confirmed.contains($0) } }

        mutating func append(
            term: UInt64, after previous: UInt64, of previousTerm: UInt64, count: Int, knows: [RaftEntry] = []
        ) {
            // A leader of a term has one log: what it is known to have said before, it says again.
            var entries: [RaftEntry] = []
            for index in previous + 1..<previous + 1 + UInt64(count) {
                let known = knows.first { $0.index == index && $0.term == term }
                entries.append(known ?? RaftEntry(index: index, term: term, payload: .empty))
            }
            let message = RaftMessage.Append(
                term: term, previousIndex: previous, previousTerm: previousTerm, entries: entries, commitIndex: 1)
            handle(.received(from: NodeID(2), .append(message)))
        }

        mutating func confirm(_ token: UInt64) {
            confirmed.insert(token)
            handle(.persisted(token...token))
        }

        private mutating func handle(_ input: RaftInput) {
            var effects: [RaftEffect] = []
            core.handle(input, at: .zero, into: &effects)
            for effect in effects {
                switch effect {
                case .persist(let persist): writes.append(persist)
                case .send(_, .appendResponse(let response)):
                    guard case .accepted(let match) = response.outcome else { continue }
                    // An answer to a leader whose term is over binds nobody any more.
                    guard response.term == core.term else { continue }
                    acknowledged.append(match)
                    let platter = afterCrash
                    let term = core.log.term(at: match)
                    if platter.count < match || platter[Int(match) - 1].term != term {
                        broken = broken ?? "acknowledged \(match), and a crash leaves \(platter.map(\.term))"
                    }
                default: break
                }
            }
        }

        /// The log that a crash would leave at worst: everything up to the first write that is not finished.
        private var afterCrash: [RaftEntry] {
            var entries = [RaftEntry(index: 1, term: 2, payload: .empty)]
            for write in writes {
                guard confirmed.contains(write.token) else { break }
                if let truncation = write.truncateFrom { entries.removeAll { $0.index >= truncation } }
                entries += write.entries
            }
            return entries
        }
    }
}
