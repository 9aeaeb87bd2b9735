import Codec
import Testing

@testable import Scheduler

@Suite("Issuers and their ends")
struct IssuerTests {
    static let second: Int64 = 1_000_000_000
    static let period: Int64 = 3 * 3_600

    /// The issuer of the passes that tests make, with three hours from its addition on.
    func mesh() -> StateUnderTest {
        var mesh = StateUnderTest("owl")
        mesh.run(.addIssuer(issuer(seconds: UInt64(Self.period))))
        return mesh
    }

    func issuer(seconds: UInt64?, expires: Int64? = nil) -> IssuerRecord {
        IssuerRecord(
            id: "k4.pid.ana", key: StateUnderTest.key(1), name: "ci", lifetimeSeconds: 60, by: "ana",
            ttlSeconds: seconds, expires: expires)
    }

    /// A pass whose token lives for a year.
    func pass(_ request: UInt8) -> GuestPass {
        var pass = StateUnderTest.pass(of: "kim\(request)", request: request, uses: 1)
        pass.counts[0].expires += 31_536_000 * Self.second
        return pass
    }

    func left(_ mesh: StateUnderTest) -> Int64? {
        mesh.state.issuer("k4.pid.ana")?.expires.map { ($0 - mesh.state.time) / Self.second }
    }

    @Test("an issuer ends so long after it was added by the time of the mesh, whatever end the entry names")
    func added() {
        var mesh = StateUnderTest("owl")
        mesh.run(.addIssuer(issuer(seconds: 3_600, expires: 5)))
        let record = mesh.state.issuer("k4.pid.ana")
        #expect(record?.expires == (record?.at ?? 0) + 3_600 * Self.second)
        mesh.run(.addIssuer(issuer(seconds: nil, expires: 5)))
        #expect(mesh.state.issuer("k4.pid.ana")?.expires == nil)
    }

    @Test("a time of less than an hour or more than 400 days is refused")
    func bounds() {
        for (seconds, isTaken) in [(3_600, true), (3_599, false), (34_560_000, true), (34_560_001, false)] {
            var mesh = StateUnderTest("owl")
            let answer = mesh.run(.addIssuer(issuer(seconds: UInt64(seconds))))
            #expect((answer.code == nil) == isTaken, "\(seconds)")
            #expect((mesh.state.issuer("k4.pid.ana") != nil) == isTaken)
        }
    }

    @Test("a job that its token starts gives an issuer its time again, when a third of it is gone and not sooner")
    func renewed() throws {
        var mesh = mesh()
        mesh.passTime(seconds: 1_000)
        mesh.submit(pass(1))
        #expect(try #require(left(mesh)) <= Self.period - 1_000)
        mesh.passTime(seconds: 3_000)
        mesh.submit(pass(2))
        #expect(try #require(left(mesh)) > Self.period - 10)
        // The same request once more starts nothing.
        mesh.passTime(seconds: 5_000)
        mesh.submit(pass(2))
        #expect(try #require(left(mesh)) <= Self.period - 5_000)
    }

    @Test("after its end, and half a minute, nothing starts with its tokens, until it is added again")
    func ended() throws {
        var mesh = mesh()
        mesh.passTime(seconds: try #require(left(mesh)) + 20)
        #expect(mesh.submit(pass(1)) == .job(1))
        // That was after its end, and gave it no more time.
        #expect(try #require(left(mesh)) < 0)
        mesh.passTime(seconds: 20)
        let answer = mesh.submit(pass(2))
        #expect(answer.code == "token.issuer_expired")
        #expect(mesh.submit(pass(1)) == .job(1), "what was started before is answered as before")
        mesh.run(.addIssuer(issuer(seconds: UInt64(Self.period))))
        #expect(mesh.submit(pass(2)) == .job(2))
    }

    @Test("an issuer with an end needs level 7, one without is an entry of level 4")
    func level() {
        #expect(Command.addIssuer(issuer(seconds: nil)).level == 4)
        #expect(Command.addIssuer(issuer(seconds: 3_600)).level == 7)
        #expect(Command.addIssuer(issuer(seconds: nil, expires: 1)).level == 7)
    }

    @Test("ends survive a snapshot")
    func snapshot() throws {
        let mesh = mesh()
        let copy = try SchedulerState(encoded: mesh.state.encoded())
        #expect(copy.issuers == mesh.state.issuers && copy.issuers[0].expires != nil)
    }
}
