import Codec
import Testing

@testable import Scheduler

@Suite("Tokens in the state")
struct TokenTests {
    @Test("a token of one use starts one job, and the same request asked again is told which")
    func oneUse() {
        var mesh = StateUnderTest("owl")
        let pass = StateUnderTest.pass(of: "kim", request: 1, uses: 1)
        #expect(mesh.submit(pass) == .job(1))
        #expect(mesh.events.contains(.tokenSpent(name: "kim", 1)))
        // Another request id, as after a leader was lost: the same job.
        #expect(mesh.submit(pass) == .job(1))
        let answer = mesh.submit(StateUnderTest.pass(of: "kim", request: 2, uses: 1))
        #expect(answer.code == "token.used")
        guard case .refused(_, let message, let hint) = answer else { return }
        #expect(message == "this token has started its only job: 1, at 14:00 UTC")
        #expect(hint.hasSuffix("For another job ask ana on owl"))
        #expect(mesh.state.jobCount == 1 && mesh.state.brokenInvariants().isEmpty)
    }

    @Test("what is refused before it starts spends no use, and what starts and fails does")
    func slips() {
        var mesh = StateUnderTest("owl")
        #expect(mesh.submit(StateUnderTest.pass(of: "kim", request: 1, uses: 1), gpus: 9).code == "job.never_fits")
        #expect(mesh.state.token("kim") == nil)
        #expect(mesh.submit(StateUnderTest.pass(of: "kim", request: 2, uses: 1)) == .job(1))
    }

    @Test("fifty narrowings of a token of one use start one job together")
    func siblings() {
        var mesh = StateUnderTest("owl")
        var started = 0
        for number in 0..<50 {
            let pass = StateUnderTest.pass(
                of: "kim\(number)", below: "root", request: UInt8(number), uses: 1, rootUses: 1)
            if case .job = mesh.submit(pass) { started += 1 }
        }
        #expect(started == 1 && mesh.state.token("root")?.starts.count == 1)
        // Those that came too late have spent nothing of their own.
        #expect(mesh.state.tokens.map(\.name) == ["kim0", "root"])
    }

    @Test("a job of somebody else under the same request is not handed out")
    func otherHolder() {
        var mesh = StateUnderTest("owl")
        var pass = StateUnderTest.pass(of: "kim", request: 1, uses: 1)
        mesh.submit(pass)
        pass.holder = "k4.pid.other"
        #expect(mesh.submit(pass).code == "token.used")
    }

    @Test("once revoked by token, link, holder or issuer nothing is started any more, also of what stood in the queue")
    func revoked() {
        let subjects: [TokenRevocation.Subject] = [
            .token("root"), .token("kim"), .holder("k4.pid.kim"), .issuer("k4.pid.ana"),
        ]
        for subject in subjects {
            var mesh = StateUnderTest("owl")
            mesh.run(.revokeToken(TokenRevocation(subject, by: "its holder")))
            #expect(mesh.events == [.tokensChanged, .tokenRevoked(subject)])
            let answer = mesh.submit(StateUnderTest.pass(of: "kim", below: "root", request: 1, uses: 1))
            #expect(answer.code == "token.revoked" && answer.exitCode == 4)
            #expect(mesh.state.tokenRevocation(subject)?.at == mesh.state.time - 1_000_000_000)
        }
        var mesh = StateUnderTest("owl")
        mesh.run(.revokeToken(TokenRevocation(.token("other"), by: "ana")))
        #expect(mesh.submit(StateUnderTest.pass(of: "kim", request: 1, uses: 1)) == .job(1))
    }

    @Test("a revocation cannot be taken back or weakened, only widened")
    func stays() {
        var mesh = StateUnderTest("owl")
        let issuer = TokenRevocation.Subject.issuer("k4.pid.ana")
        mesh.run(.revokeToken(TokenRevocation(issuer, by: "ana", issuedBefore: 10)))
        mesh.run(.revokeToken(TokenRevocation(issuer, by: "ana", issuedBefore: 5)))
        #expect(mesh.state.tokenRevocation(issuer)?.issuedBefore == 10)
        mesh.run(.revokeToken(TokenRevocation(issuer, by: "ana", issuedBefore: 20)))
        #expect(mesh.state.tokenRevocation(issuer)?.issuedBefore == 20)
        mesh.run(.revokeToken(TokenRevocation(issuer, by: "ana")))
        mesh.run(.revokeToken(TokenRevocation(issuer, by: "ana", issuedBefore: 30)))
        #expect(mesh.state.tokenRevocation(issuer)?.issuedBefore == nil)
    }

    @Test("a use cannot be spent after the token's end by the time of the mesh")
    func expired() {
        var mesh = StateUnderTest("owl")
        mesh.passTime(seconds: 3_631)
        #expect(mesh.submit(StateUnderTest.pass(of: "kim", request: 1, uses: 1)).code == "token.expired")
    }

    @Test("a token cannot be issued over one that has started jobs")
    func reissued() {
        var mesh = StateUnderTest("owl")
        mesh.submit(StateUnderTest.pass(of: "kim", request: 1, uses: 1))
        let record = TokenRecord(name: "kim", issuer: "k4.pid.ana", madeBy: "ana", uses: 1, expires: 1)
        #expect(mesh.run(.issueToken(record)).code == "token.refused")
        #expect(mesh.state.token("kim")?.starts.count == 1)
    }

    @Test("issuers, tokens, what they started, revocations and the epoch survive a snapshot")
    func snapshot() throws {
        var mesh = StateUnderTest("owl")
        mesh.run(
            .addIssuer(
                IssuerRecord(
                    id: "k4.pid.ci", key: StateUnderTest.key(1), name: "ci", lifetimeSeconds: 60, by: "ana")))
        mesh.run(.issueToken(TokenRecord(name: "a", issuer: "k4.pid.ci", madeBy: "ci", uses: 0, expires: 1)))
        mesh.submit(StateUnderTest.pass(of: "kim", request: 1, uses: 1))
        mesh.run(.revokeToken(TokenRevocation(.token("kim"), by: "ana")))
        mesh.run(.raiseTokenEpoch(by: "ana"))
        let copy = try SchedulerState(encoded: mesh.state.encoded())
        #expect(copy.encoded() == mesh.state.encoded())
        #expect(copy.issuers == mesh.state.issuers && copy.tokens == mesh.state.tokens && copy.tokens.count == 2)
        #expect(copy.tokenRevocations == mesh.state.tokenRevocations && copy.tokenEpoch == 1)
        #expect(copy.job(1)?.spec.guest?.names == ["kim"])
    }

    @Test("tokens need a mesh in which every member knows of them")
    func level() {
        var spec = JobSpec(name: "j", command: ["true"], user: "ana", submitNode: NodeID(1))
        #expect(Command.submit(spec).level == 1)
        spec.guest = StateUnderTest.pass(of: "kim", request: 1, uses: 1)
        #expect(Command.submit(spec).level == 4)
        #expect(Command.revokeToken(TokenRevocation(.token("a"), by: "ana")).level == 4)
    }

    @Test("a pass that counts a token which is not in it is no pass")
    func strangeCounts() {
        var pass = StateUnderTest.pass(of: "kim", request: 1, uses: 1)
        pass.counts.append(GuestPass.Count(name: "victim", uses: 1, expires: 1))
        #expect(throws: CodecError.self) { try GuestPass(encoded: pass.encoded()) }
    }
}
