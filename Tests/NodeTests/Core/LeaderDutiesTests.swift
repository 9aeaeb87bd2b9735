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

    @Test("a node that only datagrams reach keeps its lease until the log goes on without it, and is lost then")
    func datagramsOnly() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.run(seconds: 10) { mesh[1].raft.membership.voters.count == 3 }
        let cutOff = NodeID(3)
        mesh.withoutSessions = [cutOff]
        mesh.run(seconds: 20)
        #expect(mesh[1].state.isPresent(cutOff) && mesh[3].leaseDeadline > mesh.now)
        let request = mesh.propose(at: 1, .configure(key: "autopilot.voters", value: "3", by: "test"))
        #expect(mesh.run(seconds: 5) { mesh.answers[request] != nil })
        #expect(mesh.run(seconds: 12) { !mesh[1].state.isPresent(cutOff) })
        #expect(mesh.now >= mesh[3].leaseDeadline + NodeConstants.leaseMargin)
    }

    @Test("a node that renews is never lost, however long nothing else happens")
    func idle() throws {
        let mesh = try CoreMesh()
        try mesh.admit()
        mesh.run(seconds: 30)
        #expect(mesh[1].state.members.allSatisfy { $0.presence == .present })
        #expect(mesh[2].leaseDeadline > mesh.now)
    }

    @Test("a job that fits at once is placed by the entry that submits it")
    func placedWithSubmit() throws {
        let mesh = try CoreMesh()
        mesh.run(seconds: 2)
        var spec = JobSpec(name: "job", command: ["true"], user: "ana", submitNode: NodeID(1))
        spec.resources = Resources(cpuMillis: 1_000, memoryBytes: 1 << 20)
        let before = mesh[1].appliedIndex
        mesh.propose(at: 1, .submit(spec))
        #expect(mesh.run(seconds: 5) { mesh[1].state.jobCount == 1 })
        #expect(mesh[1].appliedIndex == before + 1)
        #expect(mesh[1].state.attempts(on: NodeID(1)).count == 1)
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

    private func rack(_ name: String) -> [Label] { [Label(name: "rack", value: name)] }

    private func count(_ mesh: CoreMesh) -> Int { mesh[1].raft.membership.voters.count }

    @Test("a fifth node makes five voters, a setting makes it three and one again, and never two or four")
    func five() throws {
        let mesh = try CoreMesh()
        for _ in 0..<4 { try mesh.admit() }
        #expect(mesh.run(seconds: 20) { count(mesh) == 5 && !mesh[1].raft.membership.isJoint })
        mesh.propose(at: 1, .configure(key: "autopilot.voters", value: "3", by: "ana"))
        #expect(mesh.run(seconds: 5) { count(mesh) == 3 && !mesh[1].raft.membership.isJoint })
        mesh.propose(at: 1, .configure(key: "autopilot.voters", value: "1", by: "ana"))
        #expect(mesh.run(seconds: 5) { count(mesh) == 1 && !mesh[1].raft.membership.isJoint })
        #expect(mesh.voterSets.allSatisfy { [1, 3, 5].contains($0.count) })
    }

    @Test("a node gets a seat only after it has been a member for the time that the setting says")
    func stable() throws {
        let mesh = try CoreMesh()
        mesh.propose(at: 1, .configure(key: "autopilot.stable-after", value: "20s", by: "ana"))
        for _ in 0..<2 { try mesh.admit() }
        let admitted = mesh.now
        #expect(mesh.run(seconds: 60) { count(mesh) == 3 })
        #expect(mesh.now - admitted >= .seconds(19))
        #expect(mesh.now - admitted < .seconds(22))
    }

    @Test("a dead voter is replaced after the time of the setting and not before; when it returns it only learns")
    func replaced() throws {
        let mesh = try CoreMesh()
        for _ in 0..<3 { try mesh.admit() }
        mesh.propose(at: 1, .configure(key: "autopilot.replace-dead-voter-after", value: "30s", by: "ana"))
        mesh.run(seconds: 20) { count(mesh) == 3 && !mesh[1].raft.membership.isJoint }
        mesh.isolated = [NodeID(2)]
        mesh.run(seconds: 10) { !mesh[1].state.isPresent(NodeID(2)) }
        let lost = mesh.now
        #expect(mesh.run(seconds: 60) { !mesh[1].raft.membership.isVoter(NodeID(2)) })
        #expect(mesh.now - lost >= .seconds(29))
        #expect(mesh[1].raft.membership.voters == voters(1, 3, 4))
        mesh.isolated = []
        #expect(mesh.run(seconds: 20) { mesh[2].hasCaughtUp && mesh[1].state.isPresent(NodeID(2)) })
        mesh.run(seconds: 10)
        #expect(mesh[1].raft.membership.voters == voters(1, 3, 4))
    }

    @Test("seats are spread over racks, also those that are taken already")
    func racks() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit(labels: rack("a")) }
        mesh.run(seconds: 20) { count(mesh) == 3 }
        try mesh.admit(labels: rack("b"))
        mesh.run(seconds: 20) { mesh[1].raft.membership.isVoter(NodeID(4)) && !mesh[1].raft.membership.isJoint }
        let racks = mesh[1].raft.membership.voters.compactMap { mesh[1].state.node($0)?.label("rack") }
        #expect(racks.sorted() == ["", "a", "b"])
    }

    @Test("the leader of a mesh of two hands its seat and the leadership over before it leaves")
    func twoNodes() throws {
        let mesh = try CoreMesh()
        try mesh.admit()
        mesh.propose(at: 1, .standDown(NodeID(1), true))
        #expect(mesh.run(seconds: 10) { mesh[2].raft.role == .leader && mesh[2].raft.membership.voters == voters(2) })
        let request = mesh.propose(at: 1, .removeNode(NodeID(1)))
        #expect(mesh.run(seconds: 5) { mesh.answers[request] == .ok })
        mesh.isolated = [NodeID(1)]
        mesh.propose(at: 2, .submit(mesh.job()))
        #expect(mesh.run(seconds: 5) { mesh[2].state.jobCount == 1 })
        #expect(mesh.run(seconds: 5) { mesh[2].raft.membership.members == voters(2) })
    }

    @Test("a leader hands the leadership over when it is told to")
    func transfer() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.run(seconds: 20) { count(mesh) == 3 }
        let leader = try #require(mesh[1].raft.leader)
        let target = NodeID(leader == NodeID(3) ? 2 : 3)
        mesh.handle(leader, .transfer(to: target))
        #expect(mesh.run(seconds: 5) { mesh[Int(target.rawValue)].raft.isReadyLeader })
    }
}
