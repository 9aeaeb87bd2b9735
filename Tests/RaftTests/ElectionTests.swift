import Codec
import Testing

@testable import Raft

@Suite struct ElectionTests {
    @Test("a mesh of one elects itself as soon as its vote is on disk")
    func founder() {
        let core = RaftCore(id: NodeID(1), restored: .founding(id: NodeID(1)), seed: 1, now: .zero)
        let mesh = TestMesh([core])
        mesh.stalledDisks = [NodeID(1)]
        mesh.run(milliseconds: 1)
        #expect(mesh[1].role == .candidate)
        mesh.stalledDisks = []
        mesh.settle()
        #expect(mesh[1].role == .leader)
        #expect(mesh[1].isReadyLeader)
        #expect(mesh.now.nanoseconds <= 1_000_000)
    }

    @Test("three voters elect one leader within two election timeouts")
    func elects() {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        #expect(mesh.cores.count { $0.role == .leader } == 1)
        #expect(Set(mesh.cores.map(\.term)).count == 1)
        #expect(mesh.cores.allSatisfy { $0.leader == mesh[mesh.leader!].id })
    }

    @Test("a voter cut off and back does not disturb the term")
    func preVote() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let leader = try #require(mesh.leader)
        let term = mesh[leader].term
        let other = leader == 1 ? 2 : 1
        mesh.isolated = [mesh[other].id]
        mesh.run(milliseconds: 5_000)
        #expect(mesh[other].term == term)
        mesh.isolated = []
        mesh.run(milliseconds: 2_000)
        #expect(mesh.leader == leader)
        #expect(mesh[leader].term == term)
    }

    @Test("a leader without a quorum steps down, and the others elect another")
    func checkQuorum() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let old = try #require(mesh.leader)
        mesh.isolated = [mesh[old].id]
        mesh.run(milliseconds: 1_500)
        #expect(mesh[old].role != .leader)
        let new = try #require(mesh.leader)
        #expect(new != old)
        mesh.isolated = []
        mesh.run(milliseconds: 500)
        #expect(mesh[old].role == .follower)
        #expect(mesh[old].leader == mesh[new].id)
    }

    @Test("followers that know their leader's process is gone elect another within 150 ms")
    func lostLeader() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let old = try #require(mesh.leader)
        mesh.isolated = [mesh[old].id]
        let start = mesh.now
        for number in 1...3 where number != old { mesh.handle(number, .unreachable(mesh[old].id)) }
        mesh.run(milliseconds: 1_000) { mesh.leader != nil }
        #expect((mesh.now - start).milliseconds <= 150)
    }

    @Test("a vote leaves only when it is on disk")
    func voteIsDurable() throws {
        let mesh = TestMesh(voters: 3)
        var sawVote = false
        mesh.stalledDisks = [NodeID(2), NodeID(3)]
        mesh.filter = { envelope in
            if case .voteResponse(let response) = envelope.message, response.ballot == .vote { sawVote = true }
            return true
        }
        while mesh[1].role != .candidate, mesh.now < Instant(nanoseconds: 10_000_000_000) {
            mesh.now = mesh.now + .milliseconds(700)
            mesh.handle(1, .timer)
            mesh.settle()
        }
        #expect(mesh[1].role == .candidate)
        #expect(!sawVote)
        mesh.stalledDisks = []
        mesh.settle()
        #expect(sawVote)
        #expect(mesh[1].role == .leader)
    }

    @Test("a vote given before a crash is never given again after it")
    func voteSurvives() {
        let voters = [NodeID(1), NodeID(2), NodeID(3)]
        let entries = [RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: voters)))]
        let restored = RaftRestored(
            hardState: RaftHardState(term: 7, vote: NodeID(2), commitIndex: 1), entries: entries)
        var core = RaftCore(id: NodeID(1), restored: restored, seed: 1, now: .zero)
        let request = RaftMessage.VoteRequest(term: 7, ballot: .vote, isTransfer: false, lastIndex: 9, lastTerm: 6)
        var effects: [RaftEffect] = []
        core.handle(.received(from: NodeID(3), .voteRequest(request)), at: .zero, into: &effects)
        let refusal = RaftMessage.VoteResponse(term: 7, ballot: .vote, isGranted: false)
        #expect(effects.contains(.send(to: NodeID(3), .voteResponse(refusal))))
    }

    @Test("a voter that hears its leader tells a candidate that is not ahead what the term is, and no other")
    func tellsTheTerm() {
        let voters = [NodeID(1), NodeID(2), NodeID(3)]
        let entries = [RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: voters)))]
        let restored = RaftRestored(hardState: RaftHardState(term: 7, commitIndex: 1), entries: entries)
        var core = RaftCore(id: NodeID(1), restored: restored, seed: 1, now: .zero)
        var effects: [RaftEffect] = []
        let heartbeat = RaftMessage.Heartbeat(term: 7, commitIndex: 1, round: 1)
        core.handle(.received(from: NodeID(2), .heartbeat(heartbeat)), at: .zero, into: &effects)
        func answers(toTerm term: UInt64, _ ballot: RaftMessage.Ballot) -> [RaftEffect] {
            let request = RaftMessage.VoteRequest(
                term: term, ballot: ballot, isTransfer: false, lastIndex: 9, lastTerm: 6)
            effects = []
            core.handle(.received(from: NodeID(3), .voteRequest(request)), at: .zero, into: &effects)
            return effects.filter { if case .send = $0 { true } else { false } }
        }
        for ballot in [RaftMessage.Ballot.preVote, .vote] {
            let refusal = RaftMessage.VoteResponse(term: 7, ballot: ballot, isGranted: false)
            #expect(answers(toTerm: 7, ballot) == [.send(to: NodeID(3), .voteResponse(refusal))])
            #expect(answers(toTerm: 8, ballot).isEmpty)
        }
        #expect(core.term == 7)
    }

    @Test("a pre-vote is given in the voter's own term where it has neither voted nor a leader")
    func preVoteInOwnTerm() {
        let voters = [NodeID(1), NodeID(2), NodeID(3)]
        let entries = [RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: voters)))]
        for vote in [nil, NodeID(2), NodeID(3)] {
            let restored = RaftRestored(hardState: RaftHardState(term: 7, vote: vote, commitIndex: 1), entries: entries)
            var core = RaftCore(id: NodeID(1), restored: restored, seed: 1, now: .zero)
            let request = RaftMessage.VoteRequest(
                term: 7, ballot: .preVote, isTransfer: false, lastIndex: 9, lastTerm: 6)
            var effects: [RaftEffect] = []
            core.handle(.received(from: NodeID(3), .voteRequest(request)), at: .zero, into: &effects)
            let answer = RaftMessage.VoteResponse(term: 7, ballot: .preVote, isGranted: vote != NodeID(2))
            #expect(effects.contains(.send(to: NodeID(3), .voteResponse(answer))))
        }
    }

    @Test("a leader hands over without waiting for a timeout, also while it is heard")
    func transfer() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let old = try #require(mesh.leader)
        let target = old == 1 ? 2 : 1
        let start = mesh.now
        mesh.handle(old, .transfer(to: mesh[target].id))
        mesh.propose(at: old, "late")
        mesh.settle()
        #expect(mesh.leader == target)
        #expect(mesh.now == start)
    }

    @Test("a voter whose log lost acknowledged entries does not vote until its leader has filled it again")
    func damaged() {
        let voters = [NodeID(1), NodeID(2), NodeID(3)]
        let first = RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: voters)))
        let more = (2...5).map { RaftEntry(index: UInt64($0), term: 1, payload: .command([UInt8($0)])) }
        let whole = RaftRestored(hardState: RaftHardState(term: 1, commitIndex: 5), entries: [first] + more)
        let holed = RaftRestored(
            hardState: RaftHardState(term: 1, damage: RaftMark(index: 5, term: 1, vote: nil)), entries: [first])
        let short = RaftRestored(hardState: RaftHardState(term: 1), entries: [first])
        let cores = [(1, whole), (2, holed), (3, short)].map { number, restored in
            RaftCore(id: NodeID(UInt64(number)), restored: restored, seed: UInt64(number), now: .zero)
        }
        let mesh = TestMesh(cores)
        mesh.isolated = [NodeID(1)]
        mesh.run(milliseconds: 10_000)
        // Node 3 would have won with the damaged node's vote and lost entries 2 to 5.
        #expect(mesh.leader == nil)
        mesh.isolated = []
        mesh.run(milliseconds: 3_000)
        #expect(mesh.leader == 1)
        #expect(!mesh[2].isDamaged)
        #expect(mesh.persists[1].last?.hardState?.damage == nil)
        #expect(mesh[2].lastIndex == mesh[1].lastIndex)
    }

    @Test("a voter that comes back with a hole is repaired although nobody writes anything")
    func damagedInIdleMesh() {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 2_000)
        let leader = mesh.leader!
        for text in ["a", "b", "c"] { _ = mesh.propose(at: leader, text) }
        mesh.run(milliseconds: 500)
        let damaged = leader == 1 ? 2 : 1
        let last = mesh[damaged].lastIndex
        let mark = RaftMark(index: last, term: mesh[damaged].term, vote: nil)
        let empty = RaftRestored(hardState: RaftHardState(term: mark.term, damage: mark))
        let id = NodeID(UInt64(damaged))
        mesh.cores[damaged - 1] = RaftCore(id: id, restored: empty, seed: 9, now: mesh.now)
        mesh.handle(leader, .unreachable(id))
        mesh.run(milliseconds: 1_000)
        #expect(mesh.leader == leader)
        #expect(mesh[leader].lastIndex == last)
        #expect(mesh[damaged].lastIndex == last)
        #expect(!mesh[damaged].isDamaged)
    }

    @Test("a voter that has forgotten everything votes again only when a later term than any it may have known decides")
    func forgotten() {
        let voters = [NodeID(1), NodeID(2), NodeID(3)]
        let first = RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: voters)))
        let more = (2...5).map { RaftEntry(index: UInt64($0), term: 1, payload: .command([UInt8($0)])) }
        let whole = RaftRestored(hardState: RaftHardState(term: 1, commitIndex: 5), entries: [first] + more)
        let empty = RaftRestored(
            hardState: RaftHardState(damage: RaftMark(index: RaftMark.unknownIndex, term: 0, vote: nil)))
        let cores = [(1, whole), (2, empty), (3, whole)].map { number, restored in
            RaftCore(id: NodeID(UInt64(number)), restored: restored, seed: UInt64(number), now: .zero)
        }
        let mesh = TestMesh(cores)
        mesh.run(milliseconds: 3_000)
        let leader = mesh.leader!
        _ = mesh.propose(at: leader, "in this term")
        mesh.run(milliseconds: 1_000)
        #expect(mesh[2].lastIndex == mesh[leader].lastIndex)
        // What it acknowledged before may have been to this very leader, and more than has come back.
        #expect(mesh[2].isDamaged)
        mesh.handle(leader, .transfer(to: NodeID(UInt64(4 - leader))))
        mesh.run(milliseconds: 3_000)
        #expect(mesh.leader == 4 - leader)
        #expect(!mesh[2].isDamaged)
        #expect(mesh.persists[1].last?.hardState?.damage == nil)
    }
}
