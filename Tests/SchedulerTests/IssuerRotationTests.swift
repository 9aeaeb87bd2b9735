import Codec
import Testing

@testable import Scheduler

/// Another key in the place of one that issues tokens.
@Suite("Rotation of issuers in the state")
struct IssuerRotationTests {
    private static func issuer(_ id: String, key: UInt8, name: String = "ci", seconds: UInt64 = 60) -> IssuerRecord {
        IssuerRecord(id: id, key: StateUnderTest.key(key), name: name, lifetimeSeconds: seconds, by: "sam")
    }

    private static func mesh() -> StateUnderTest {
        var mesh = StateUnderTest("owl", "fox")
        mesh.run(.raiseLevel(7))
        mesh.run(.addIssuer(issuer("old", key: 50)))
        return mesh
    }

    @Test("the new key has the name and the bounds of the old one, which issues nothing more")
    func rotates() throws {
        var mesh = Self.mesh()
        let before = mesh.state.issuer("old")
        #expect(mesh.run(.rotateIssuer("old", Self.issuer("new", key: 51, name: "mine", seconds: 9_999))) == .ok)
        #expect(mesh.events == [.tokensChanged, .tokenIssuerAdded("new")])
        let new = try #require(mesh.state.issuer("new"))
        #expect(new.name == "ci" && new.lifetimeSeconds == 60 && new.replaced == nil && new.at == mesh.state.time)
        var old = try #require(mesh.state.issuer("old"))
        #expect(old.replaced == IssuerReplacement(at: mesh.state.time, by: "new"))
        old.replaced = nil
        #expect(old == before)
        let copy = try SchedulerState(encoded: mesh.state.encoded())
        #expect(copy.issuers == mesh.state.issuers)
    }

    @Test("asked again, it changes nothing and is no error")
    func again() {
        var mesh = Self.mesh()
        mesh.run(.rotateIssuer("old", Self.issuer("new", key: 51)))
        #expect(mesh.run(.rotateIssuer("old", Self.issuer("new", key: 51))) == .ok)
        #expect(mesh.events.isEmpty)
        #expect(mesh.run(.rotateIssuer("old", Self.issuer("newer", key: 52))).code == "rotate.refused")
    }

    @Test("a key that is not there, or revoked, has none in its place; the new one is nobody's")
    func refused() {
        var mesh = Self.mesh()
        #expect(mesh.run(.rotateIssuer("none", Self.issuer("new", key: 51))).code == "token.issuer_not_found")
        mesh.run(.addIssuer(Self.issuer("other", key: 60, name: "cd")))
        #expect(mesh.run(.rotateIssuer("old", Self.issuer("other", key: 60))).code == "rotate.refused")
        // The second node has this key.
        #expect(mesh.run(.rotateIssuer("old", Self.issuer("new", key: 2))).code == "rotate.refused")
        mesh.run(.revokeToken(TokenRevocation(.issuer("gone"), by: "sam")))
        #expect(mesh.run(.rotateIssuer("old", Self.issuer("gone", key: 51))).code == "rotate.refused")
        mesh.run(.revokeToken(TokenRevocation(.issuer("other"), by: "sam")))
        #expect(mesh.run(.rotateIssuer("other", Self.issuer("new", key: 51))).code == "rotate.refused")
        #expect(mesh.state.issuers.allSatisfy { $0.replaced == nil })
        #expect(mesh.run(.rotateIssuer("old", Self.issuer("new", key: 51))) == .ok)
    }

    @Test("a key that was replaced is not added again, whatever is said of it")
    func comesBack() {
        var mesh = Self.mesh()
        mesh.run(.rotateIssuer("old", Self.issuer("new", key: 51)))
        #expect(mesh.run(.addIssuer(Self.issuer("old", key: 50))).code == "rotate.refused")
        #expect(mesh.state.issuer("old")?.replaced != nil)
        var claimed = Self.issuer("third", key: 52)
        claimed.replaced = IssuerReplacement(at: 1, by: "nobody")
        mesh.run(.addIssuer(claimed))
        #expect(mesh.state.issuer("third")?.replaced == nil)
    }

    @Test("those that were replaced long ago make room for others")
    func room() {
        var mesh = Self.mesh()
        mesh.run(.rotateIssuer("old", Self.issuer("new", key: 51)))
        for number in 2..<SchedulerLimits.issuersMax { mesh.run(.addIssuer(Self.issuer("i\(number)", key: 90))) }
        #expect(mesh.state.issuers.count == SchedulerLimits.issuersMax)
        #expect(mesh.run(.addIssuer(Self.issuer("more", key: 91))).code == "token.too_many")
        mesh.passTime(seconds: 41 * 86_400)
        #expect(mesh.run(.addIssuer(Self.issuer("more", key: 91))) == .ok)
        #expect(mesh.state.issuer("old") == nil && mesh.state.issuer("new") != nil)
    }

    @Test("it is in the log of what happened")
    func audited() throws {
        var mesh = Self.mesh()
        _ = mesh.state.takeAuditLines()
        mesh.run(.rotateIssuer("old", Self.issuer("new", key: 51)))
        let lines = mesh.state.takeAuditLines()
        let line = String(decoding: try #require(lines.first).bytes, as: UTF8.self)
        #expect(lines.count == 1)
        #expect(line.contains("\"actor\":\"sam\",\"act\":\"key.rotated\",\"about\":\"issuer ci key new was old\""))
        #expect(Command.rotateIssuer("old", Self.issuer("new", key: 51)).level == 7)
    }
}
