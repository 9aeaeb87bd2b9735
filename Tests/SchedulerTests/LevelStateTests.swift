import Codec
import Testing

@testable import Scheduler

@Suite("Levels and recoveries in the state")
struct LevelStateTests {
    @Test("the level only rises, and survives a snapshot")
    func level() throws {
        var mesh = StateUnderTest("owl")
        mesh.run(.raiseLevel(3))
        #expect(mesh.events == [.levelRaised(3)])
        mesh.run(.raiseLevel(2))
        #expect(mesh.state.level == 3)
        let copy = try SchedulerState(encoded: mesh.state.encoded())
        #expect(copy.level == 3)
        #expect(copy.encoded() == mesh.state.encoded())
    }

    @Test("after a recovery, numbers that may have been given elsewhere are not given again")
    func recovered() throws {
        var mesh = StateUnderTest("owl")
        let before = mesh.submit()
        mesh.run(.recovered(epoch: 1))
        #expect(mesh.submit() == before + 1_001)
        guard case .node(let id, _) = mesh.run(.admit(StateUnderTest.node("lynx", key: 9), invitation: nil)) else {
            Issue.record("not admitted")
            return
        }
        #expect(id.rawValue > 1_000)
        #expect(mesh.state.recoveries == 1)
        #expect(try SchedulerState(encoded: mesh.state.encoded()).recoveries == 1)
    }

    @Test("a recovery makes void what was issued before it, however often all was revoked after what it knows")
    func recoveryVoids() throws {
        var mesh = StateUnderTest("owl")
        mesh.run(.raiseLevel(7))
        let old = InvitationUse(jti: "7c1e", uses: 5, expires: .max)
        #expect(mesh.run(.admit(StateUnderTest.node("newt", key: 2), invitation: old)).code == nil)
        mesh.run(
            .addIssuer(
                IssuerRecord(id: "k4.pid.ci", key: StateUnderTest.key(50), name: "ci", lifetimeSeconds: 60, by: "ana")))
        let seconds = UInt64(mesh.state.time / 1_000_000_000)
        // All that was forgotten was of an epoch that counting had reached.
        mesh.run(.recovered(epoch: 1, tokenEpoch: seconds))
        #expect(mesh.events.contains(.tokenEpochRaised(by: "raft recover")) && mesh.events.contains(.tokensChanged))
        #expect(mesh.state.tokenEpoch == seconds && mesh.state.invitationEpoch == seconds)
        let refused = mesh.run(.admit(StateUnderTest.node("bat", key: 3), invitation: old))
        #expect(refused.code == "mesh.join.token_void")
        #expect(mesh.state.member(identityKey: StateUnderTest.key(3)) == nil)
        let new = InvitationUse(jti: "9d2f", uses: 1, expires: .max, epoch: mesh.state.invitationEpoch)
        #expect(mesh.run(.admit(StateUnderTest.node("bat", key: 3), invitation: new)).code == nil)
        // An issuer that was withdrawn meanwhile could write any epoch into what it signs.
        var pass = StateUnderTest.pass(of: "kim", request: 1, uses: 1)
        pass.issuer = "k4.pid.ci"
        #expect(mesh.submit(pass).code == "token.issuer_expired")
        let kept = try SchedulerState(encoded: mesh.state.encoded())
        #expect(kept.tokenEpoch == seconds && kept.invitationEpoch == seconds)
        // Revoking all tokens later leaves invitations; another recovery, with a clock that went back, leaves nothing.
        mesh.run(.raiseTokenEpoch(by: "ana"))
        #expect(mesh.state.tokenEpoch == seconds + 1 && mesh.state.invitationEpoch == seconds)
        mesh.run(.recovered(epoch: 2, tokenEpoch: 5))
        #expect(mesh.state.tokenEpoch == seconds + 2 && mesh.state.invitationEpoch == seconds + 2)
    }

    @Test("a recovery as it was written below level 8 means what it meant")
    func recoveryBefore() throws {
        var mesh = StateUnderTest("owl")
        mesh.run(.recovered(epoch: 1))
        #expect(mesh.state.tokenEpoch == 0 && mesh.state.invitationEpoch == 0)
        let old = InvitationUse(jti: "7c1e", uses: 5, expires: .max)
        #expect(mesh.run(.admit(StateUnderTest.node("newt", key: 2), invitation: old)).code == nil)
        let before = CBOR.kind(19) { $0.set(1, UInt64(1)) }
        #expect(try Command(cbor: before) == .recovered(epoch: 1))
        #expect(Command.recovered(epoch: 1).cbor == before)
        #expect(
            InvitationUse(jti: "a", uses: 1, expires: 2).encoded().count
                < InvitationUse(
                    jti: "a", uses: 1, expires: 2, epoch: 1
                ).encoded().count)
    }

    @Test("a node that waits to be approved keeps what it speaks, and one that is too old may not even wait")
    func knock() throws {
        var mesh = StateUnderTest("owl")
        mesh.run(.raiseLevel(2))
        var knock = Knock(
            name: "newt", identityKey: StateUnderTest.key(7), noiseKey: StateUnderTest.key(7), shortID: "x",
            capacity: Capacity(cpuMillis: 1_000, memoryBytes: 1 << 30))
        knock.levels = ProtocolLevels(lowest: 1, highest: 1)
        #expect(mesh.run(.knock(knock)).code == "mesh.level.too_old")
        knock.levels = ProtocolLevels(lowest: 1, highest: 2)
        #expect(mesh.run(.knock(knock)) == .ok)
        mesh.run(.approve("newt"))
        #expect(mesh.state.node(named: "newt")?.levels.highest == 2)
    }
}
