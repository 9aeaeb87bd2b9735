import Codec
import Testing

@testable import Raft

/// Reads that trust the clocks instead of asking the voters (thesis, 6.4.1).
@Suite struct LeaseTests {
    private static var leasing: RaftConfiguration {
        var configuration = RaftConfiguration()
        configuration.readsFromLease = true
        return configuration
    }

    /// A mesh of three with a leader that has just been answered.
    private func mesh(_ configuration: RaftConfiguration) throws -> (mesh: TestMesh, leader: Int) {
        let mesh = TestMesh(voters: 3, configuration: configuration)
        mesh.run(milliseconds: 5_000) { mesh.leader.map { mesh[$0].isReadyLeader } ?? false }
        mesh.run(milliseconds: 100)
        return (mesh, try #require(mesh.leader))
    }

    @Test("by default a leader that is cut off answers no read, however recently it was heard")
    func offByDefault() throws {
        let (mesh, leader) = try mesh(RaftConfiguration())
        mesh.isolated = [mesh[leader].id]
        #expect(mesh.readIndex(of: mesh.read(at: leader)) == nil)
    }

    @Test("with leases a read is answered at once and without a message, and no longer when the lease is over")
    func lease() throws {
        let (mesh, leader) = try mesh(Self.leasing)
        mesh.isolated = [mesh[leader].id]
        #expect(mesh.readIndex(of: mesh.read(at: leader)) == mesh[leader].commitIndex)
        // The last round that was answered is at most a heartbeat old.
        let lease = Self.leasing.leaseDuration
        #expect(lease < Self.leasing.electionTimeoutMinimum)
        mesh.now = mesh.now + lease
        #expect(mesh.readIndex(of: mesh.read(at: leader)) == nil)
    }

    @Test("the lease counts from when the round was sent, not from when it was answered")
    func countsFromSending() throws {
        let (mesh, leader) = try mesh(Self.leasing)
        var late: [TestMesh.Envelope] = []
        mesh.filter = { envelope in
            guard case .heartbeatResponse = envelope.message else { return true }
            late.append(envelope)
            return false
        }
        mesh.run(milliseconds: 500)
        #expect(!late.isEmpty)
        mesh.filter = { _ in true }
        mesh.isolated = [mesh[leader].id]
        let first = late.prefix(2)
        for envelope in first { mesh.handle(leader, .received(from: envelope.from, envelope.message)) }
        #expect(mesh.readIndex(of: mesh.read(at: leader)) == nil)
    }

    @Test("a voter keeps its promise to a leader through a broken connection, a later term and a restart")
    func promise() throws {
        let (mesh, leader) = try mesh(Self.leasing)
        let voter = leader % 3 + 1
        let candidate = voter % 3 + 1
        let term = mesh[leader].term + 1
        func isGranted(to core: inout RaftCore, term: UInt64) -> Bool {
            let request = RaftMessage.VoteRequest(
                term: term, ballot: .vote, isTransfer: false, lastIndex: core.lastIndex, lastTerm: core.term)
            var effects: [RaftEffect] = []
            core.handle(.received(from: mesh[candidate].id, .voteRequest(request)), at: mesh.now, into: &effects)
            let tokens = effects.compactMap { effect in
                if case .persist(let persist) = effect { persist.token } else { nil }
            }
            for token in tokens { core.handle(.persisted(0...token), at: mesh.now, into: &effects) }
            return effects.contains { effect in
                if case .send(_, .voteResponse(let response)) = effect { response.isGranted } else { false }
            }
        }
        var core = mesh[voter]
        var effects: [RaftEffect] = []
        core.handle(.unreachable(mesh[leader].id), at: mesh.now, into: &effects)
        #expect(!isGranted(to: &core, term: term))
        let later = RaftMessage.HeartbeatResponse(term: term, round: 1)
        core.handle(.received(from: mesh[candidate].id, .heartbeatResponse(later)), at: mesh.now, into: &effects)
        #expect(core.term == term && !isGranted(to: &core, term: term))
        var restored = RaftRestored(hardState: RaftHardState(term: term - 1))
        restored.entries = mesh[voter].log.entries
        var restarted = RaftCore(
            id: core.id, restored: restored, configuration: Self.leasing, seed: 1, now: mesh.now)
        #expect(!isGranted(to: &restarted, term: term))
        mesh.now = mesh.now + Self.leasing.electionTimeoutMinimum
        #expect(isGranted(to: &restarted, term: term) && isGranted(to: &core, term: term + 1))
    }

    @Test("a leader that hands over trusts its lease no more")
    func transfer() throws {
        let (mesh, leader) = try mesh(Self.leasing)
        mesh.isolated = [mesh[leader].id]
        mesh.handle(leader, .transfer(to: nil))
        #expect(mesh.readIndex(of: mesh.read(at: leader)) == nil)
    }
}
