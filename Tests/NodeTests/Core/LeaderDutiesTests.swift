import Codec
import Scheduler
import Testing

@testable import Node

@Suite("What a leader does without being asked")
struct LeaderDutiesTests {
    private func voters(_ numbers: UInt64...) -> [NodeID] { numbers.map { NodeID($0) } }

    @Test("a mesh has one voter until three nodes may vote, then three, and never two")
    func oneThenThree() throws {
        let mesh = try CoreMesh()
        try mesh.admit()
        mesh.run(seconds: 5)
        #expect(mesh[1].raft.membership.voters == voters(1))
        #expect(mesh[1].raft.membership.learners == voters(2))
        try mesh.admit()
        #expect(mesh.run(seconds: 10) { mesh[1].raft.membership.voters == voters(1, 2, 3) })
        try mesh.admit()
        mesh.run(seconds: 5)
        #expect(mesh[1].raft.membership.voters == voters(1, 2, 3))
        #expect(mesh[1].raft.membership.learners == voters(4))
        #expect(mesh.voterSets.allSatisfy { $0.count != 2 })
    }

    @Test("a worker never votes")
    func worker() throws {
        let mesh = try CoreMesh()
        try mesh.admit(role: .worker)
        try mesh.admit()
        mesh.run(seconds: 5)
        #expect(mesh[1].raft.membership.voters == voters(1))
        try mesh.admit()
        #expect(mesh.run(seconds: 10) { mesh[1].raft.membership.voters == voters(1, 3, 4) })
        #expect(mesh.voterSets.allSatisfy { $0.count != 2 && !$0.contains(NodeID(2)) })
    }

    @Test("a voter that left gives its seat to a learner, and where there is none one voter remains")
    func leftVoter() throws {
        let mesh = try CoreMesh()
        for _ in 0..<3 { try mesh.admit() }
        mesh.run(seconds: 10) { mesh[1].raft.membership.voters == voters(1, 2, 3) }
        mesh.propose(at: 1, .removeNode(NodeID(2)))
        #expect(mesh.run(seconds: 10) { mesh[1].raft.membership.voters == voters(1, 3, 4) })
        mesh.propose(at: 1, .removeNode(NodeID(3)))
        #expect(mesh.run(seconds: 10) { mesh[1].raft.membership.voters.count == 1 })
        #expect(mesh.voterSets.allSatisfy { $0.count != 2 })
    }

    @Test("a silent node is lost only after its lease and the margin, keeps its seat, and returns when it speaks")
    func silence() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.run(seconds: 10) { mesh[1].raft.membership.voters.count == 3 }
        let silent = NodeID(3)
        mesh.isolated = [silent]
        let isPresent = { mesh[1].state.isPresent(silent) }
        #expect(mesh.run(seconds: 10) { !isPresent() })
        let heard = try #require(mesh.renewalHeard[silent])
        #expect(mesh.now - heard >= NodeConstants.lease + NodeConstants.leaseMargin)
        #expect(mesh.now - heard < NodeConstants.lease + NodeConstants.leaseMargin + .seconds(1))
        #expect(mesh.now >= mesh[3].leaseDeadline + NodeConstants.leaseMargin)
        #expect(mesh[1].raft.membership.voters == voters(1, 2, 3))
        mesh.isolated = []
        #expect(mesh.run(seconds: 10) { isPresent() })
    }

    @Test("a node that renews is never lost, however long nothing else happens")
    func idle() throws {
        let mesh = try CoreMesh()
        try mesh.admit()
        mesh.run(seconds: 30)
        #expect(mesh[1].state.members.allSatisfy { $0.presence == .present })
        #expect(mesh[2].leaseDeadline > mesh.now)
    }

    @Test("when the leader falls silent, another one places its attempts anew after lease and margin")
    func leaderLost() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.run(seconds: 10) { mesh[1].raft.membership.voters.count == 3 }
        mesh.run(seconds: 2)
        let leader = try #require(mesh.cores.first { $0.raft.role == .leader }?.id)
        mesh.isolated = [leader]
        let others = mesh.cores.map(\.id).filter { $0 != leader }
        #expect(
            mesh.run(seconds: 15) { others.allSatisfy { !mesh[Int($0.rawValue)].state.isPresent(leader) } })
        #expect(mesh.now >= mesh[Int(leader.rawValue)].leaseDeadline + NodeConstants.leaseMargin)
    }
}
