import Codec
import Raft
import Scheduler
import Testing

@testable import Node

@Suite("Levels of the protocol")
struct LevelTests {
    private let old = ProtocolLevels(lowest: 1, highest: 1)
    private let new = ProtocolLevels(lowest: 1, highest: 2)
    private let newest = ProtocolLevels(lowest: 2, highest: 3)

    @Test("a mesh is raised to what all its members speak, and not before")
    func raised() throws {
        let mesh = try CoreMesh(levels: old)
        for _ in 0..<2 { try mesh.admit(levels: new) }
        mesh.run(seconds: 10)
        #expect(mesh[1].state.level == 1)
        mesh.propose(at: 1, .levels(NodeID(1), new))
        #expect(mesh.run(seconds: 5) { mesh[2].state.level == 2 && mesh[3].state.level == 2 })
    }

    @Test("a mesh of one is raised at once, and refuses whoever is older than it or no longer speaks what it does")
    func admission() throws {
        let mesh = try CoreMesh(levels: new)
        #expect(mesh.run(seconds: 5) { mesh[1].state.level == 2 })
        var record = CoreMesh.record(9)
        record.levels = old
        var request = mesh.propose(at: 1, .admit(record, invitation: nil))
        mesh.run(seconds: 2) { mesh.answers[request] != nil }
        #expect(mesh.answers[request]?.code == "mesh.level.too_old")
        record.levels = ProtocolLevels(lowest: 3, highest: 4)
        request = mesh.propose(at: 1, .admit(record, invitation: nil))
        mesh.run(seconds: 2) { mesh.answers[request] != nil }
        #expect(mesh.answers[request]?.code == "mesh.level.too_new")
        #expect(mesh[1].state.members.count == 1)
    }

    @Test("a node that does not speak what the mesh was raised to stops, and says why")
    func tooOld() throws {
        let mesh = try CoreMesh(levels: old)
        try mesh.admit(levels: new)
        // Its program says less than its record: a downgrade.
        mesh.propose(at: 1, .levels(NodeID(1), new))
        mesh.run(seconds: 5) { mesh[1].state.level == 2 }
        #expect(!mesh[1].speaksLevel)
        let failed = mesh.effects[NodeID(1)]?.contains {
            if case .failed(let reason) = $0 { return reason.contains("up to level 1, the mesh is at level 2") }
            return false
        }
        #expect(failed == true)
    }

    @Test("a command that this program does not know never gets into the log, whoever asks")
    func unknownCommand() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.run(seconds: 20) { mesh[1].raft.membership.voters.count == 3 }
        var map = CBORMap()
        map.set(0, UInt64(500))
        let leader = try #require(mesh[1].raft.leader)
        let applied = mesh[Int(leader.rawValue)].state.level
        for number in 1...3 {
            let request = mesh.propose(at: number, .unrecognised(.map(map)))
            mesh.run(seconds: 2) { mesh.answers[request] != nil }
            #expect(mesh.answers[request]?.code == "mesh.command_unknown")
        }
        // Of a newer follower, which let it pass.
        let request = RequestID(high: 5, low: 5)
        mesh.handle(
            leader,
            .message(
                from: NodeID(leader == NodeID(2) ? 3 : 2),
                .propose(Entry(request: request, time: 0, command: .unrecognised(.map(map))))))
        let refused = mesh.effects[leader]?.contains {
            if case .send(_, .refused(request, _)) = $0 { return true }
            return false
        }
        #expect(refused == true)
        #expect(mesh[1].state.level == applied)
    }

    @Test("a lost member that is no voter holds no level back, a lost voter does")
    func lost() throws {
        let mesh = try CoreMesh(levels: new)
        let state = mesh[1].state
        #expect(LevelPlan.next(state, voters: RaftMembership(voters: [NodeID(1)])) == (state.level == 1 ? 2 : nil))
    }

    @Test("ranges are read from their text", arguments: ["", "0", "2-1", "a", "1-2-3", "-1", "1-"])
    func badText(_ text: String) { #expect(ProtocolLevels(text) == nil) }

    @Test("a range and a single level are read")
    func text() {
        #expect(ProtocolLevels("1-3") == ProtocolLevels(lowest: 1, highest: 3))
        #expect(ProtocolLevels("2") == ProtocolLevels(lowest: 2, highest: 2))
        #expect(!newest.contains(1) && newest.contains(3))
    }
}

extension Answer {
    fileprivate var code: String? {
        guard case .refused(let code, _, _) = self else { return nil }
        return code
    }
}
