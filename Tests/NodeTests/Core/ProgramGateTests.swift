import Codec
import Scheduler
import Testing
import Tokens

@testable import Node
@testable import Raft

@Suite("Whether a program may take the place of the one that runs")
struct ProgramGateTests {
    private let own = NodeID(1)
    private let voter = NodeID(2)
    private let worker = NodeID(3)
    private let program = BLAKE3.hash([1])
    private let other = BLAKE3.hash([2])
    private let mesh: CoreMesh

    init() throws {
        mesh = try CoreMesh()
        try mesh.admit()
        try mesh.admit(role: .worker)
        try #require(mesh.run(seconds: 60) { self.mesh[1].state.level == ProtocolLevels.current.highest })
        try #require(mesh.run(seconds: 10) { self.mesh[1].state.members.count == 3 })
    }

    private var state: SchedulerState { mesh[1].state }

    private func gate(
        _ state: SchedulerState? = nil, running: String = "0.1.0", accepted: AcceptedProgram? = nil
    ) -> ProgramGate {
        ProgramGate(
            state: state ?? self.state, node: own, key: CoreMesh.signingKey(1).publicKey,
            running: ProgramVersion(running)!, accepted: accepted)
    }

    private func word(
        of number: UInt8 = 2, _ version: String = "0.1.0", allowsOlder: Bool = false, after seconds: Int64 = 0,
        mesh: String = CoreMesh.meshKeyID, about program: Digest? = nil
    ) -> ProgramStatement {
        ProgramStatement(
            program ?? self.program, version: ProgramVersion(version)!, allowsOlder: allowsOlder,
            time: state.time + seconds * 1_000_000_000, actor: "ana@n\(number)", mesh: mesh,
            key: CoreMesh.signingKey(number))
    }

    private func code(
        _ statement: ProgramStatement?, from sender: NodeID = NodeID(2), _ gate: ProgramGate? = nil
    ) -> String? {
        do {
            let signed = try (gate ?? self.gate()).pass(statement, for: program, from: sender)
            return signed == nil ? "nothing" : nil
        } catch { return APIFailure(error).code }
    }

    private func accepted(_ statement: ProgramStatement) -> AcceptedProgram {
        AcceptedProgram(
            .init(statement: statement, key: Bytes(CoreMesh.signingKey(2).publicKey.bytes)), insteadOf: nil, nil)
    }

    @Test("a program that a host that may vote has signed passes, and one that this host has signed itself")
    func good() throws {
        #expect(code(word()) == nil)
        #expect(code(word(of: 1), from: own) == nil)
        let signed = try gate().pass(word(), for: program, from: voter)
        #expect(signed?.key == Bytes(CoreMesh.signingKey(2).publicKey.bytes))
        #expect(signed?.isWhole(mesh: CoreMesh.meshKeyID) == true)
    }

    @Test("a program that nobody signed, or that was signed for another host, mesh or program, does not")
    func unsigned() throws {
        #expect(code(nil) == "upgrade.unsigned")
        #expect(code(nil, from: own) == "upgrade.unsigned")
        #expect(code(word(of: 1)) == "upgrade.unsigned")
        #expect(code(word(of: 9)) == "upgrade.unsigned")
        #expect(code(word(of: 2), from: own) == "upgrade.unsigned")
        #expect(code(word(mesh: "k4.pid.other")) == "upgrade.unsigned")
        #expect(code(word(about: other)) == "upgrade.unsigned")
    }

    @Test("a worker signs for itself alone, and who was revoked, or never was a member, for nobody")
    func signers() throws {
        #expect(code(word(of: 3), from: worker) == "auth.denied")
        #expect(code(word(of: 9), from: NodeID(9)) == "mesh.not_a_member")
        let onWorker = ProgramGate(
            state: state, node: worker, key: CoreMesh.signingKey(3).publicKey, running: ProgramVersion("0.1.0")!,
            accepted: nil)
        #expect(code(word(of: 3), from: worker, onWorker) == nil)
        #expect(code(word(), onWorker) == nil)
        mesh.propose(at: 1, .revoke(voter, by: "ana"))
        try #require(mesh.run(seconds: 10) { self.state.node(self.voter)?.revocation != nil })
        #expect(code(word()) == "mesh.not_a_member")
        #expect(code(word(), onWorker) == nil, "as of the state before")
    }

    @Test("a word is heard for 10 minutes of the mesh's time, whichever way clocks differ")
    func age() {
        for seconds in [-600, -1, 0, 1, 600] as [Int64] { #expect(code(word(after: seconds)) == nil, "\(seconds)") }
        for seconds in [-601, 601, -86_400] as [Int64] {
            #expect(code(word(after: seconds)) == "upgrade.stale", "\(seconds)")
        }
        #expect(code(word(of: 1, after: -86_400), from: own) == nil, "nobody else brought it here")
    }

    @Test("what was signed before the program that was accepted last is not heard again, however new it is")
    func replayed() {
        let last = accepted(word(after: 5, about: other))
        #expect(code(word(after: 4), gate(accepted: last)) == "upgrade.stale")
        #expect(code(word(after: 5), gate(accepted: last)) == nil)
        #expect(code(word(after: 6), gate(accepted: last)) == nil)
        let same = accepted(word(after: 5))
        #expect(code(word(after: 4), gate(accepted: same)) == nil, "the same program may be asked for again")
    }

    @Test("an older version passes only where an older one is meant")
    func older() {
        #expect(code(word("0.0.9")) == "upgrade.older")
        #expect(code(word("0.1.0-rc.1")) == "upgrade.older")
        #expect(code(word("0.0.9", allowsOlder: true)) == nil)
        #expect(code(word("0.2")) == nil)
        #expect(code(word(), gate(running: "0.2")) == "upgrade.older")
        #expect(code(word(of: 1, "0.0.9"), from: own) == "upgrade.older")
    }

    @Test("below the level that brought it, a program passes without a word, and not with a bad one")
    func earlierLevels() throws {
        let levels = ProtocolLevels(lowest: 1, highest: SchedulerState.programsLevel - 1)
        let old = try CoreMesh(levels: levels)
        try old.admit(levels: levels)
        try #require(old.run(seconds: 60) { old[1].state.level == levels.highest })
        let gate = gate(old[1].state)
        #expect(code(nil, gate) == "nothing")
        #expect(code(word(of: 9), gate) == "upgrade.unsigned")
    }

    @Test("each word is newer than the one before, also while the mesh's time stands still")
    func times() {
        let first = ProgramGate.time(of: state, after: 0, nil)
        #expect(first == state.time)
        #expect(ProgramGate.time(of: state, after: first, nil) == first + 1)
        #expect(ProgramGate.time(of: state, after: 0, accepted(word(after: 2))) == first + 2_000_000_001)
        #expect(ProgramGate.time(of: state, after: 0, accepted(word(after: 86_400))) == first)
    }
}

@Suite("The program that was accepted last")
struct AcceptedProgramTests {
    private let mesh = "k4.pid.lab"
    private let programs = (0..<4).map { BLAKE3.hash([$0]) }

    private func signed(_ number: Int, at time: Int64? = nil) -> AcceptedProgram.Signed {
        let key = CoreMesh.signingKey(2)
        return AcceptedProgram.Signed(
            statement: ProgramStatement(
                programs[number], version: ProgramVersion("1")!, allowsOlder: false, time: time ?? Int64(number),
                actor: "ana@n2",
                mesh: mesh, key: key),
            key: Bytes(key.publicKey.bytes))
    }

    @Test("what runs is told from what was signed, also after an upgrade that was taken back")
    func standing() throws {
        let first = AcceptedProgram(signed(1), insteadOf: programs[0], nil)
        #expect(first.standing(of: programs[1], takenBack: nil, mesh: mesh) == .signed(signed(1)))
        #expect(first.standing(of: programs[0], takenBack: programs[1], mesh: mesh) == .takenBack(nil))
        // Put back by hand, it is not what was signed last.
        #expect(first.standing(of: programs[0], takenBack: nil, mesh: mesh) == .another(than: signed(1)))
        #expect(first.standing(of: programs[0], takenBack: programs[3], mesh: mesh) == .another(than: signed(1)))
        #expect(first.standing(of: programs[3], takenBack: programs[1], mesh: mesh) == .another(than: signed(1)))
        let second = AcceptedProgram(signed(2), insteadOf: programs[1], first)
        #expect(second.standing(of: programs[1], takenBack: programs[2], mesh: mesh) == .takenBack(signed(1)))
        // The one before runs again, and the next one takes its place.
        let third = AcceptedProgram(signed(3), insteadOf: programs[1], second)
        #expect(third.standing(of: programs[1], takenBack: programs[3], mesh: mesh) == .takenBack(signed(1)))
        #expect(try AcceptedProgram(encoded: third.encoded()) == third)
    }

    @Test("signed once more, it is what it was; signed while it runs, it came in nobody's place")
    func again() {
        let first = AcceptedProgram(signed(1), insteadOf: programs[0], nil)
        #expect(AcceptedProgram(signed(1), insteadOf: nil, first) == first)
        let later = AcceptedProgram(signed(1, at: 9), insteadOf: nil, first)
        #expect(later.signed == signed(1, at: 9) && later.before == programs[0])
        #expect(AcceptedProgram(signed(1), insteadOf: nil, later) == later, "an older word takes no newer one's place")
        #expect(AcceptedProgram(signed(1), insteadOf: programs[0], later).signed == later.signed)
        let installed = AcceptedProgram(signed(2), insteadOf: nil, first)
        #expect(installed.before == nil && installed.signedBefore == nil)
        #expect(installed.standing(of: programs[2], takenBack: nil, mesh: mesh) == .signed(signed(2)))
    }

    @Test("a file that was changed, or is of another mesh, says nothing")
    func damaged() {
        var kept = AcceptedProgram(signed(1), insteadOf: programs[0], nil)
        #expect(kept.standing(of: programs[1], takenBack: nil, mesh: "k4.pid.other") == .damaged)
        kept.signed.key = Bytes(CoreMesh.signingKey(3).publicKey.bytes)
        #expect(kept.standing(of: programs[1], takenBack: nil, mesh: mesh) == .damaged)
        kept.signed.key = Bytes([1])
        #expect(kept.standing(of: programs[1], takenBack: nil, mesh: mesh) == .damaged)
    }
}
