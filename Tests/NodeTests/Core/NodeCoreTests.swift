import Codec
import Scheduler
import Testing

@testable import Node

@Suite("A node as one value")
struct NodeCoreTests {
    private let key = AttemptKey(job: 1, task: 0, attempt: 1)

    @Test("a mesh of one node is founded, leads and gives itself a lease")
    func founding() throws {
        let mesh = try CoreMesh()
        #expect(mesh[1].state.meshName == "lab")
        #expect(mesh[1].state.members.map(\.name) == ["n1"])
        #expect(mesh.run(seconds: 5) { mesh[1].hasCaughtUp })
        #expect(mesh[1].leaseDeadline > mesh.now)
        #expect(mesh[1].isIdle)
    }

    @Test("a job is answered, placed, started under a lease, and settled when its end is known")
    func oneJob() throws {
        let mesh = try CoreMesh()
        let request = mesh.propose(at: 1, .submit(mesh.job()))
        #expect(mesh.run(seconds: 5) { !mesh.started(key).isEmpty })
        #expect(mesh.answers[request] == .job(1))
        #expect(mesh[1].state.attempt(key)?.node == NodeID(1))
        #expect(mesh[1].leaseDeadline - mesh.now >= NodeConstants.leaseToStart)
        mesh.report(1, key, .running)
        #expect(mesh.run(seconds: 5) { mesh[1].state.attempt(key)?.startedAt != nil })
        #expect(!mesh[1].isIdle)
        mesh.report(1, key, .ended(.exited(3)))
        #expect(mesh.run(seconds: 5) { mesh[1].state.job(1)?.isEnded == true })
        #expect(mesh[1].state.job(1)?.exitCode == 3)
        let settled = mesh.effects[NodeID(1)]?.contains {
            if case .settled(key) = $0 { return true }
            return false
        }
        #expect(settled == true)
        #expect(mesh[1].isIdle)
    }

    @Test("a request asked twice is carried out once and answered alike")
    func sameRequestTwice() throws {
        let mesh = try CoreMesh()
        let entry = Entry(request: RequestID(high: 4, low: 4), time: 0, command: .submit(mesh.job()))
        mesh.handle(NodeID(1), .propose(entry))
        mesh.run(seconds: 1)
        mesh.handle(NodeID(1), .propose(entry))
        mesh.run(seconds: 1)
        #expect(mesh.answers[entry.request] == .job(1))
        #expect(mesh[1].state.jobCount == 1)
    }

    @Test("time in the log is the leader's wall clock")
    func time() throws {
        let mesh = try CoreMesh()
        let asked = mesh.now
        mesh.propose(at: 1, .submit(mesh.job()))
        mesh.run(seconds: 1)
        let submitted = try #require(mesh[1].state.job(1)?.submittedAt)
        #expect(submitted == CoreMesh.epoch + asked.nanoseconds)
    }

    @Test("a node that cannot write its log gives up instead of going on")
    func logFailed() throws {
        let mesh = try CoreMesh()
        mesh.handle(NodeID(1), .logFailed("disk full"))
        #expect(mesh[1].raft.role != .leader)
        let deadline = mesh[1].leaseDeadline
        mesh.run(seconds: 10)
        #expect(mesh[1].leaseDeadline <= deadline, "nobody renews its lease")
    }

    @Test("a job asked of any member is placed, and is run by the node that has the room")
    func threeNodes() throws {
        let mesh = try CoreMesh()
        try mesh.admit()
        try mesh.admit()
        mesh.propose(at: 2, .submit(mesh.job()))
        #expect(mesh.run(seconds: 5) { !mesh.started(key).isEmpty })
        let node = try #require(mesh.started(key).first)
        #expect(node != NodeID(1), "the leader is taken last where others fit as well")
        mesh.report(Int(node.rawValue), key, .running)
        mesh.report(Int(node.rawValue), key, .ended(.exited(0)))
        #expect(mesh.run(seconds: 5) { mesh.cores.allSatisfy { $0.state.job(1)?.isEnded == true } })
    }

    @Test("a replaced attempt is stopped before the lease of its node moves, and its job is held back until it is gone")
    func stopBeforeLease() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.propose(at: 1, .submit(mesh.job()))
        mesh.run(seconds: 5) { !mesh.started(key).isEmpty }
        let victim = try #require(mesh.started(key).first)
        let number = Int(victim.rawValue)
        mesh.report(number, key, .running)
        mesh.run(seconds: 5) { mesh[1].state.attempt(key)?.startedAt != nil }
        mesh.isolated = [victim]
        let second = AttemptKey(job: 1, task: 0, attempt: 2)
        #expect(mesh.run(seconds: 10) { !mesh.started(second).isEmpty })
        #expect(mesh.now > mesh[number].leaseDeadline + NodeConstants.leaseMargin - .milliseconds(1))
        let before = mesh.effects[victim]?.count ?? 0
        mesh.isolated = []
        #expect(mesh.run(seconds: 10) { mesh[number].leaseDeadline > mesh.now })
        var sawStop = false
        for effect in (mesh.effects[victim] ?? []).dropFirst(before) {
            switch effect {
            case .stop(key, .superseded): sawStop = true
            case .extendLease(_, let heldBack):
                #expect(sawStop, "the lease moved before the replaced attempt was stopped")
                #expect(heldBack == [1])
            case .start(let other): #expect(other != key)
            default: break
            }
        }
        #expect(sawStop)
    }
}
