import Codec
import Testing

@testable import Scheduler

@Suite("What a token may have at once, and which tokens are believed")
struct TokenQuotaTests {
    private func mesh(level: UInt64 = 6) -> StateUnderTest {
        var mesh = StateUnderTest("owl")
        mesh.run(.raiseLevel(level))
        return mesh
    }

    private func set(_ setting: MeshSetting, _ value: String, in mesh: inout StateUnderTest) {
        #expect(mesh.run(.configure(key: setting.key, value: value, by: "ana")) == .ok)
    }

    @Test("a token has so many unfinished jobs, with all that was narrowed from it, and another one its own")
    func quota() {
        var mesh = mesh()
        set(.tokenJobs, "3", in: &mesh)
        for number in UInt8(1)...3 {
            let pass = StateUnderTest.pass(of: "kim\(number)", below: "root", request: number, uses: 0)
            #expect(mesh.submit(pass) == .job(JobID(number)))
        }
        let more = StateUnderTest.pass(of: "kim9", below: "root", request: 9, uses: 1, rootUses: 100)
        #expect(mesh.submit(more).code == "token.limit.jobs")
        #expect(mesh.state.token("root") == nil, "what is refused spends no use")
        #expect(mesh.submit(StateUnderTest.pass(of: "lee", request: 10, uses: 0)) == .job(4))
        mesh.run(.cancel(2, by: "kim"))
        #expect(mesh.state.unfinishedJobs(ofToken: "root") == 2)
        #expect(mesh.submit(more) == .job(5))
        #expect(mesh.submit(more) == .job(5), "the same request again, with the token full: the same job")
        #expect(mesh.state.brokenInvariants().isEmpty)
    }

    @Test("a hundred where nothing was set, counted the same after a restart")
    func afterRestart() throws {
        var mesh = mesh()
        for number in 0..<100 {
            #expect(mesh.submit(StateUnderTest.pass(of: "kim", request: UInt8(number), uses: 0)) != .ok)
        }
        mesh.run(.cancel(7, by: "kim"))
        var restored = mesh
        restored.state = try SchedulerState(encoded: mesh.state.encoded())
        #expect(restored.state.unfinishedJobs(ofToken: "kim") == 99)
        #expect(restored.state.brokenInvariants().isEmpty)
        for mesh in [mesh, restored] {
            var mesh = mesh
            #expect(mesh.submit(StateUnderTest.pass(of: "kim", request: 200, uses: 0)) == .job(101))
            #expect(mesh.submit(StateUnderTest.pass(of: "kim", request: 201, uses: 0)).code == "token.limit.jobs")
        }
    }

    @Test("below level 6 an entry means what it meant, and the settings wait")
    func level() {
        var mesh = mesh(level: 5)
        for number in 0..<120 {
            let answer = mesh.submit(StateUnderTest.pass(of: "kim", request: UInt8(number), uses: 0))
            #expect(answer == .job(JobID(number + 1)))
        }
        for setting in [MeshSetting.tokenJobs, .tokensIssuedOnly] {
            #expect(Command.configure(key: setting.key, value: setting.defaultValue, by: "ana").level == 6)
        }
        #expect(Command.configure(key: MeshSetting.jobsKept.key, value: "10", by: "ana").level == 1)
        let record = TokenRecord(name: "kim", issuer: "i", madeBy: "ana", uses: 1, expires: 1)
        #expect(Command.issueToken(record).level == 4)
        var known = record
        known.root = BLAKE3.hash([1])
        #expect(Command.issueToken(known).level == 6)
        known.signed = TokenRecord.Signed(holder: "k4.pid.kim", at: 1, epoch: 0)
        #expect(Command.issueToken(known).level == SchedulerState.signedTokensLevel)
    }

    @Test(
        "where only issued tokens work, one starts a job if exactly its root was issued, and none that bears its name")
    func issuedOnly() throws {
        var mesh = mesh()
        let pass = StateUnderTest.pass(of: "kim", request: 1, uses: 2)
        var offline = StateUnderTest.pass(of: "thief", request: 2, uses: 2)
        #expect(mesh.submit(offline) == .job(1), "before the mesh wants it")
        set(.tokensIssuedOnly, "yes", in: &mesh)
        offline.requestHash = Bytes([3])
        let answer = mesh.submit(offline)
        #expect(answer.code == "token.not_issued" && answer.exitCode == 4)
        #expect(mesh.state.token("thief")?.starts.count == 1)
        #expect(mesh.submit(pass).code == "token.not_issued")
        let root = BLAKE3.hash(Array(pass.links[0].utf8))
        let record = TokenRecord(
            name: "kim", issuer: pass.issuer, madeBy: pass.madeBy, uses: 2, expires: pass.counts[0].expires, root: root)
        #expect(mesh.run(.issueToken(record)) == .ok)
        // The thief has the key, and takes the number of a token that there is for a wider one.
        var twin = pass
        twin.links = ["another root"]
        #expect(mesh.submit(twin).code == "token.not_issued")
        #expect(mesh.submit(pass) == .job(2))
        let restored = try SchedulerState(encoded: mesh.state.encoded())
        #expect(restored.accepts(root: root, named: "kim") && !restored.accepts(root: root, named: "thief"))
        set(.tokensIssuedOnly, "no", in: &mesh)
        #expect(mesh.submit(offline) == .job(3))
    }

    @Test("what the settings may be")
    func values() {
        #expect(MeshSetting.tokenJobs.allows("1") && MeshSetting.tokenJobs.allows("100000"))
        for value in ["0", "100001", "-1", "1000000", "", "ten"] { #expect(!MeshSetting.tokenJobs.allows(value)) }
        for value in ["", "true", "YES", "1"] { #expect(!MeshSetting.tokensIssuedOnly.allows(value)) }
    }

    @Test("each change says what happened to which token, and each refusal why")
    func events() {
        var mesh = mesh()
        let record = TokenRecord(name: "kim", issuer: "i", madeBy: "ana", uses: 1, expires: .max)
        mesh.run(.issueToken(record))
        #expect(mesh.events == [.tokenIssued(name: "kim")])
        mesh.submit(StateUnderTest.pass(of: "kim", request: 1, uses: 1))
        mesh.submit(StateUnderTest.pass(of: "kim", request: 2, uses: 1))
        #expect(mesh.events == [.tokenRefused(name: "kim", code: "token.used")])
        mesh.run(.raiseTokenEpoch(by: "ana"))
        #expect(mesh.events == [.tokensChanged, .tokenEpochRaised(by: "ana")])
    }
}
