import Codec
import Testing

@testable import Raft

@Suite struct MembershipTests {
    /// A founder and `count - 1` nodes that wait to be contacted.
    private func founderAndJoiners(_ count: Int) -> TestMesh {
        let founder = RaftCore(id: NodeID(1), restored: .founding(id: NodeID(1)), seed: 1, now: .zero)
        let joiners = (2...count).map { number in
            RaftCore(id: NodeID(UInt64(number)), restored: .joining(), seed: UInt64(number), now: .zero)
        }
        let mesh = TestMesh([founder] + joiners)
        mesh.run(milliseconds: 10)
        return mesh
    }

    @Test("a mesh grows from one voter to three through learners and one joint step")
    func grows() {
        let mesh = founderAndJoiners(3)
        mesh.propose(at: 1, "before")
        mesh.change(at: 1, voters: [1], learners: [2, 3])
        mesh.run(milliseconds: 300)
        #expect(mesh.texts(3) == ["before"])
        #expect(mesh[1].membership.voters == [NodeID(1)])
        let request = mesh.change(at: 1, voters: [1, 2, 3])
        mesh.run(milliseconds: 300)
        #expect(mesh.rejection(of: request) == nil)
        for number in 1...3 {
            #expect(mesh[number].membership == RaftMembership(voters: [NodeID(1), NodeID(2), NodeID(3)]))
        }
        mesh.propose(at: 1, "after")
        mesh.settle()
        #expect(mesh.texts(2) == ["before", "after"])
    }

    @Test("a joint membership needs a majority of the old and of the new voters")
    func joint() {
        let mesh = founderAndJoiners(3)
        mesh.change(at: 1, voters: [1], learners: [2, 3])
        mesh.run(milliseconds: 300)
        mesh.isolated = [NodeID(2), NodeID(3)]
        mesh.change(at: 1, voters: [1, 2, 3])
        mesh.propose(at: 1, "x")
        mesh.settle()
        #expect(mesh.texts(1).isEmpty)
        #expect(mesh[1].membership.isJoint)
        mesh.isolated = [NodeID(3)]
        mesh.run(milliseconds: 500)
        #expect(mesh.texts(1) == ["x"])
        #expect(!mesh[1].membership.isJoint)
    }

    @Test("a removed leader hands over and does not come back")
    func removesLeader() throws {
        let mesh = TestMesh(voters: 4)
        mesh.run(milliseconds: 1_200)
        let old = try #require(mesh.leader)
        let rest = (1...4).filter { $0 != old }
        mesh.change(at: old, voters: rest)
        mesh.run(milliseconds: 3_000)
        let new = try #require(mesh.leader)
        #expect(new != old)
        #expect(mesh[old].role == .follower)
        #expect(mesh[old].nextDeadline == nil)
        mesh.propose(at: new, "x")
        mesh.settle()
        #expect(mesh.texts(new) == ["x"])
    }

    @Test("a second change waits for the first, and none comes before the term's first commit")
    func oneAtATime() throws {
        let mesh = TestMesh(voters: 3)
        mesh.filter = { if case .append = $0.message { false } else { true } }
        mesh.run(milliseconds: 1_200) { mesh.leader != nil }
        let leader = try #require(mesh.leader)
        #expect(mesh.rejection(of: mesh.change(at: leader, voters: [1])) == .changeTooEarly)
        mesh.filter = { _ in true }
        mesh.run(milliseconds: 500)
        mesh.filter = { if case .append = $0.message { false } else { true } }
        #expect(mesh.rejection(of: mesh.change(at: leader, voters: [1, 2, 3], learners: [4])) == nil)
        #expect(mesh.rejection(of: mesh.change(at: leader, voters: [1, 2])) == .changeInProgress)
        #expect(mesh.rejection(of: mesh.change(at: leader, voters: [])) != nil)
    }

    @Test("a membership whose entry is cut away gives way to the one before it")
    func rollsBack() throws {
        let mesh = TestMesh(voters: 3)
        mesh.run(milliseconds: 1_200)
        let old = try #require(mesh.leader)
        mesh.isolated = [mesh[old].id]
        mesh.change(at: old, voters: [old])
        #expect(mesh[old].membership.isJoint)
        mesh.run(milliseconds: 1_500)
        mesh.isolated = []
        mesh.run(milliseconds: 500)
        #expect(mesh[old].membership == mesh[mesh.leader!].membership)
        #expect(!mesh[old].membership.isJoint)
    }

    @Test("messages survive their wire form")
    func wireForm() throws {
        let mesh = founderAndJoiners(3)
        var seen: [RaftMessage] = []
        mesh.filter = {
            seen.append($0.message)
            return true
        }
        mesh.change(at: 1, voters: [1], learners: [2, 3])
        mesh.propose(at: 1, "x")
        mesh.run(milliseconds: 300)
        mesh.change(at: 1, voters: [1, 2, 3])
        mesh.run(milliseconds: 300)
        mesh.handle(1, .transfer(to: nil))
        mesh.run(milliseconds: 300)
        #expect(seen.count > 20)
        for message in seen { #expect(try RaftMessage(encoded: message.encoded()) == message) }
    }
}
