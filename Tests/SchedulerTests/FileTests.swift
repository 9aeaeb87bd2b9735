import Codec
import Testing

@testable import Scheduler

struct FileTests {
    static func checkpoint(_ number: UInt64, holders: UInt64...) -> Checkpoint {
        Checkpoint(
            number: number, attempt: 0, tree: BLAKE3.hash([UInt8(number)]), bytes: 1,
            holders: holders.map { NodeID($0) })
    }

    @Test("a new attempt resumes from the newest checkpoint that a present node holds")
    func resume() {
        var mesh = StateUnderTest("owl", "lynx", "crow")
        let job = mesh.submit()
        let key = mesh.start(job)
        let node = mesh.state.attempt(key)!.node
        let other: UInt64 = node == NodeID(1) ? 2 : 1
        mesh.run(.checkpoint(key, Self.checkpoint(1, holders: other, node.rawValue)))
        mesh.run(.checkpoint(key, Self.checkpoint(2, holders: node.rawValue)))
        mesh.run(.nodeLost(node))
        let placement = Placement.plan(mesh.state)[0]
        #expect(placement.resumeFrom == 1)
        #expect(placement.node == NodeID(other))
    }

    @Test("a checkpoint of a superseded attempt is refused")
    func stale() {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit()
        let first = mesh.start(job)
        mesh.run(.nodeLost(mesh.state.attempt(first)!.node))
        #expect(mesh.run(.checkpoint(first, Self.checkpoint(1, holders: 1))) == .ok, "nobody replaced it yet")
        let second = mesh.start(job)
        #expect(second.attempt == 2)
        #expect(mesh.run(.checkpoint(first, Self.checkpoint(2, holders: 1))).code == "job.attempt_stale")
    }

    @Test("the newest checkpoints stay, and the newest that a present node holds")
    func pruning() {
        var mesh = StateUnderTest("owl", "lynx")
        let job = mesh.submit(keep: 2)
        let key = mesh.start(job)
        mesh.run(.checkpoint(key, Self.checkpoint(1, holders: 1)))
        for number: UInt64 in 2...5 { mesh.run(.checkpoint(key, Self.checkpoint(number, holders: 77))) }
        #expect(mesh.task(job).checkpoints.map(\.number) == [1, 4, 5])
        #expect(mesh.run(.holders(job: job, task: 0, checkpoint: 4, added: NodeID(2))) == .ok)
        mesh.run(.checkpoint(key, Self.checkpoint(6, holders: 77)))
        #expect(
            mesh.task(job).checkpoints.map(\.number) == [4, 5, 6]
                || mesh.task(job).checkpoints.map(\.number) == [5, 6, 4].sorted())
        #expect(
            mesh.run(.holders(job: job, task: 0, checkpoint: 1, added: NodeID(2))).code == "job.checkpoint_not_found")
    }

    @Test("one number is never two checkpoints")
    func taken() {
        var mesh = StateUnderTest("owl")
        let key = mesh.start(mesh.submit())
        mesh.run(.checkpoint(key, Self.checkpoint(1, holders: 1)))
        var other = Self.checkpoint(1, holders: 1)
        other.tree = .zero
        #expect(mesh.run(.checkpoint(key, other)).code == "job.checkpoint_taken")
    }

    @Test("results and holders of working trees are known")
    func resultsAndTrees() {
        var mesh = StateUnderTest("owl", "lynx")
        let key = mesh.start(mesh.submit())
        mesh.report(key, .ended(.exited(0)))
        let files = ResultFiles(tree: .zero, bytes: 5, files: 1, holders: [NodeID(2), NodeID(1), NodeID(2)])
        #expect(mesh.run(.results(key, files)) == .ok)
        #expect(mesh.task(key.job).results?.holders == [NodeID(1), NodeID(2)])
        #expect(mesh.run(.treeHeld(tree: .zero, by: NodeID(2))).code == "job.tree_not_found")
    }
}
