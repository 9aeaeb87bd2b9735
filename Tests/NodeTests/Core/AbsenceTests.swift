import Codec
import Scheduler
import Testing

@testable import Node

@Suite("A host that has said that its daemon will be away")
struct AbsenceTests {
    private let third = NodeID(3)

    /// Three nodes; `asker` says for the third that it will be away.
    private func mesh(absence seconds: Int64, askedBy asker: Int = 3) throws -> (CoreMesh, RequestID) {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        #expect(mesh.run(seconds: 60) { mesh[1].raft.membership.voters.count == 3 && mesh[1].state.level >= 5 })
        let absence = Absence(id: 77, nanoseconds: seconds * 1_000_000_000)
        let request = mesh.propose(at: asker, .absent(third, absence))
        #expect(mesh.run(seconds: 5) { mesh.answers[request] != nil })
        return (mesh, request)
    }

    private func leases(_ mesh: CoreMesh) -> [Instant] {
        (mesh.effects[third] ?? []).compactMap { effect in
            if case .extendLease(let until, _) = effect { return until }
            return nil
        }
    }

    private func shortened(_ mesh: CoreMesh) -> [Instant] {
        (mesh.effects[third] ?? []).compactMap { effect in
            if case .shortenLease(let until) = effect { return until }
            return nil
        }
    }

    @Test("is waited for so long and no longer, and what it runs has a lease that ends before that")
    func waited() throws {
        let (mesh, _) = try mesh(absence: 20)
        let given = try #require(leases(mesh).max())
        mesh.isolated = [third]
        mesh.run(seconds: 19)
        #expect(mesh[1].state.node(third)?.presence == .present)
        #expect(mesh.run(seconds: 5) { mesh[1].state.node(third)?.presence != .present })
        #expect(given < mesh.now && given > mesh.now - .seconds(5))
        #expect(mesh[1].state.node(third)?.absence == nil)
    }

    @Test("is waited for by a new leader, too, which counts anew")
    func newLeader() throws {
        let (mesh, _) = try mesh(absence: 20)
        let leader = try #require(mesh[3].raft.leader)
        guard leader != third else { return }
        let other = NodeID(leader == NodeID(1) ? 2 : 1)
        mesh.isolated = [third]
        mesh.run(seconds: 15)
        mesh.handle(leader, .transfer(to: other))
        #expect(mesh.run(seconds: 10) { mesh[Int(other.rawValue)].raft.isReadyLeader })
        mesh.run(seconds: 15)
        #expect(mesh[Int(other.rawValue)].state.node(third)?.presence == .present)
        #expect(mesh.run(seconds: 10) { mesh[Int(other.rawValue)].state.node(third)?.presence != .present })
    }

    @Test("that stays is one like the others when the time has passed")
    func stays() throws {
        let (mesh, _) = try mesh(absence: 4)
        #expect(mesh.run(seconds: 10) { mesh[1].state.node(third)?.absence == nil })
        #expect(mesh[1].state.node(third)?.presence == .present)
        mesh.isolated = [third]
        #expect(mesh.run(seconds: 6) { mesh[1].state.node(third)?.presence != .present })
    }

    @Test("and whose next daemon is there takes that lease back before it says so, and is no longer waited for")
    func back() throws {
        // For the third node this is the word of another daemon, as of the one before it.
        let (mesh, _) = try mesh(absence: 300, askedBy: 1)
        #expect(mesh.run(seconds: 10) { mesh[1].state.node(third)?.absence == nil })
        let until = try #require(shortened(mesh).last)
        #expect(until <= mesh.now + NodeConstants.lease)
        #expect(leases(mesh).allSatisfy { $0 <= mesh.now + NodeConstants.lease })
        mesh.isolated = [third]
        #expect(mesh.run(seconds: 6) { mesh[1].state.node(third)?.presence != .present })
    }

    @Test("gives what it runs that lease only while it has one as any other, because it may have been given up")
    func leased() {
        let absence = Absence(id: 7, nanoseconds: 20_000_000_000)
        var own = OwnAbsence()
        own.asked(absence, now: .zero + .seconds(100))
        own.noticed(absence)
        #expect(own.takeGranted(leased: false) == nil)
        var givenUp = own
        givenUp.noticed(nil)
        #expect(givenUp.takeGranted(leased: true) == nil)
        #expect(own.takeGranted(leased: true) == .zero + .seconds(120), "from when it asked")
        #expect(own.takeGranted(leased: true) == nil, "once")
    }
}
