import Codec
import Scheduler
import Testing

@testable import Node

@Suite("Reads of the state as it is now")
struct ReadBarriersTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test("reads that come together ask once, and are readable when the index is applied")
    func together() throws {
        var reads = ReadBarriers(boot: 7)
        for id in UInt64(1)...3 { reads.add(id) }
        let duesequence = reads.takeDue(now: start)
        let sequence = try #require(duesequence)
        #expect(reads.takeDue(now: start) == nil)
        reads.answered(sequence, index: 10)
        #expect(reads.takeReadable(9).isEmpty)
        #expect(reads.takeReadable(10) == [1, 2, 3])
        #expect(reads.takeReadable(11).isEmpty)
        #expect(reads.nextDeadline == nil)
    }

    @Test("a question that is lost is asked again, at once where somebody else leads")
    func lost() throws {
        var reads = ReadBarriers(boot: 0)
        reads.add(1)
        let duesequence = reads.takeDue(now: start)
        let sequence = try #require(duesequence)
        #expect(reads.nextDeadline == start + NodeConstants.readRetry)
        #expect(reads.takeDue(now: start + NodeConstants.readRetry) == sequence)
        reads.forgetAsked()
        #expect(reads.takeDue(now: start + NodeConstants.readRetry) == sequence)
    }

    @Test("an answer to the daemon before says nothing to this one")
    func otherBoot() throws {
        var before = ReadBarriers(boot: 1)
        before.add(1)
        var after = ReadBarriers(boot: 99)
        after.add(1)
        let dueold = before.takeDue(now: start)
        let old = try #require(dueold)
        _ = after.takeDue(now: start)
        after.answered(old, index: 5)
        #expect(after.takeReadable(100).isEmpty)
    }

    @Test("a caller that went away is not told, and holds nothing up")
    func abandoned() throws {
        var reads = ReadBarriers(boot: 0)
        reads.add(1)
        reads.add(2)
        let duesequence = reads.takeDue(now: start)
        let sequence = try #require(duesequence)
        reads.abandon(1)
        reads.answered(sequence, index: 1)
        #expect(reads.takeReadable(1) == [2])
        reads.add(3)
        reads.abandon(3)
        #expect(reads.takeDue(now: start) == nil)
    }

    @Test("what was answered at one member is read at every other, and not before a majority confirms it")
    func throughMesh() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.run(seconds: 20) { mesh[1].raft.membership.voters.count == 3 }
        for (number, reader) in [(1, 2), (2, 3), (3, 1)] {
            let request = mesh.propose(
                at: number, .configure(key: "user.x", value: "\(number)", by: "ana"))
            #expect(mesh.run(seconds: 5) { mesh.answers[request] != nil })
            let id = UInt64(number)
            mesh.handle(NodeID(UInt64(reader)), .read(id))
            #expect(mesh.run(seconds: 5) { mesh.readable(reader).contains(id) })
            #expect(mesh[reader].state.setting("user.x")?.value == "\(number)")
        }
        mesh.isolated = [NodeID(2)]
        mesh.handle(NodeID(2), .read(9))
        mesh.run(seconds: 5)
        #expect(!mesh.readable(2).contains(9))
        mesh.isolated = []
        #expect(mesh.run(seconds: 10) { mesh.readable(2).contains(9) })
    }

    @Test("many commands of a follower reach the leader together and each gets its answer")
    func batches() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.run(seconds: 20) { mesh[1].raft.membership.voters.count == 3 }
        let leader = try #require(mesh[1].raft.leader)
        let follower = leader == NodeID(1) ? 2 : 1
        let entries = (0..<600).map { number in
            Entry(
                request: RequestID(high: 77, low: UInt64(number)), time: 0,
                command: .configure(key: "user.k\(number)", value: "v", by: "ana"))
        }
        mesh.handle(NodeID(UInt64(follower)), entries.map { .propose($0) })
        #expect(mesh.run(seconds: 5) { entries.allSatisfy { mesh.answers[$0.request] == .ok } })
        #expect(mesh[1].state.settings.count == 600)
    }
}
