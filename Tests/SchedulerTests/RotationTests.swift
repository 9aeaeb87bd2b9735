import Codec
import Testing
import Tokens

@testable import Scheduler

/// Other keys in the place of those that there are, as the state sees it.
@Suite("Rotation of keys in the state")
struct RotationTests {
    private static let minute: Int64 = 60

    static func key(_ number: UInt8) -> SigningKey { SigningKey(seed: [UInt8](repeating: number, count: 32)) }

    /// A mesh of two whose first node has a key that can sign.
    static func mesh() -> StateUnderTest {
        var mesh = StateUnderTest()
        var node = StateUnderTest.node("owl", key: 1)
        node.identityKey = Bytes(key(1).publicKey.bytes)
        mesh.found(node)
        mesh.run(.admit(StateUnderTest.node("fox", key: 2), invitation: nil))
        mesh.run(.raiseLevel(7))
        return mesh
    }

    static func rotation(
        of node: UInt64 = 1, from old: UInt8 = 1, to new: UInt8, noise: UInt8? = nil, mesh: String = "k4.pid.lab"
    ) -> KeyRotation {
        KeyRotation(
            of: NodeID(node), from: key(old), to: key(new),
            noiseKey: [UInt8](repeating: noise ?? new, count: 32), mesh: mesh)
    }

    @Test("the node keeps its number and name, and its old key is nobody's any more")
    func rotates() throws {
        var mesh = Self.mesh()
        let job = mesh.submit()
        let attempt = mesh.start(job)
        let rotation = Self.rotation(to: 11)
        #expect(mesh.run(.rotateKey(rotation)) == .ok)
        #expect(mesh.events == [.nodeChanged(NodeID(1)), .tokensChanged])
        let owl = try #require(mesh.state.node(named: "owl"))
        #expect(owl.id == NodeID(1) && owl.identityKey == rotation.newKey && owl.noiseKey == rotation.noiseKey)
        #expect(owl.formerKeys.map(\.key) == [rotation.oldKey])
        #expect(mesh.state.member(identityKey: rotation.newKey)?.id == NodeID(1))
        #expect(mesh.state.member(identityKey: rotation.oldKey) == nil)
        #expect(mesh.state.isLive(attempt) && mesh.state.keyRotations == 1)
        var again = StateUnderTest.node("owl", key: 3)
        again.identityKey = rotation.oldKey
        let answer = mesh.run(.admit(again, invitation: nil))
        #expect(answer.code == "mesh.join.key_replaced")
        again.identityKey = Bytes(Self.key(12).publicKey.bytes)
        guard case .node = mesh.run(.admit(again, invitation: nil)) else {
            Issue.record("a key that was nobody's is not admitted")
            return
        }
    }

    @Test("asked again, it changes nothing and is no error")
    func again() {
        var mesh = Self.mesh()
        mesh.run(.rotateKey(Self.rotation(to: 11)))
        #expect(mesh.run(.rotateKey(Self.rotation(to: 11))) == .ok)
        #expect(mesh.events.isEmpty && mesh.state.keyRotations == 1)
    }

    @Test("what is not signed by both keys for this mesh and this node changes nothing")
    func forged() throws {
        var mesh = Self.mesh()
        let before = mesh.state.encoded()
        let good = Self.rotation(to: 11)
        let other = try #require(Self.rotation(to: 12).cbor.requireMap()[5])
        for (key, value) in [
            (1, CBOR.unsigned(2)), (2, Bytes(Self.key(5).publicKey.bytes).cbor),
            (3, Bytes(Self.key(5).publicKey.bytes).cbor), (4, StateUnderTest.key(5).cbor), (4, Bytes([1]).cbor),
            (5, other), (5, Bytes([UInt8](repeating: 0, count: 64)).cbor),
            (6, Bytes([UInt8](repeating: 0, count: 64)).cbor), (6, Bytes([]).cbor), (3, good.oldKey.cbor),
            (2, StateUnderTest.key(0xFF).cbor),
        ] {
            var map = try good.cbor.requireMap()
            map[key] = value
            let forged = try KeyRotation(cbor: .map(map))
            #expect(mesh.run(.rotateKey(forged)).code == "rotate.refused", "\(key)")
        }
        for rotation in [
            Self.rotation(to: 11, mesh: "k4.pid.other"), Self.rotation(from: 9, to: 11), Self.rotation(of: 2, to: 11),
        ] {
            #expect(mesh.run(.rotateKey(rotation)).code == "rotate.refused")
        }
        #expect(mesh.run(.rotateKey(Self.rotation(of: 9, to: 11))).code == "node.not_found")
        mesh.state.requests = RequestMemory()
        var unchanged = try SchedulerState(encoded: before)
        unchanged.requests = RequestMemory()
        unchanged.time = mesh.state.time
        #expect(mesh.state.digest == unchanged.digest)
        #expect(mesh.run(.rotateKey(good)) == .ok)
    }

    @Test("the new keys are nobody's: no member's, no former one's, no issuer's, not the mesh's")
    func taken() {
        var mesh = Self.mesh()
        var lynx = StateUnderTest.node("lynx", key: 3)
        lynx.identityKey = Bytes(Self.key(20).publicKey.bytes)
        mesh.run(.admit(lynx, invitation: nil))
        let issuer = Self.key(21).publicKey
        mesh.run(
            .addIssuer(
                IssuerRecord(id: issuer.id.text, key: Bytes(issuer.bytes), name: "ci", lifetimeSeconds: 60, by: "sam")))
        #expect(mesh.run(.rotateKey(Self.rotation(to: 20, noise: 7))).code == "rotate.refused")
        #expect(mesh.run(.rotateKey(Self.rotation(to: 21, noise: 7))).code == "rotate.refused")
        #expect(mesh.run(.rotateKey(Self.rotation(to: 22, noise: 2))).code == "rotate.refused")
        #expect(mesh.run(.rotateKey(Self.rotation(to: 22, noise: 7))) == .ok)
        mesh.passTime(seconds: 11 * Self.minute)
        #expect(mesh.run(.rotateKey(Self.rotation(from: 22, to: 1, noise: 8))).code == "rotate.refused")
    }

    @Test("the next one waits until the grace of the last is over")
    func grace() {
        var mesh = Self.mesh()
        mesh.run(.rotateKey(Self.rotation(to: 11)))
        mesh.passTime(seconds: 9 * Self.minute)
        #expect(mesh.run(.rotateKey(Self.rotation(from: 11, to: 12))).code == "rotate.just_now")
        mesh.passTime(seconds: Self.minute)
        #expect(mesh.run(.rotateKey(Self.rotation(from: 11, to: 12))) == .ok)
        #expect(mesh.state.node(named: "owl")?.formerKeys.count == 2)
    }

    @Test("a node that was revoked or has left rotates nothing, and none of its keys comes back")
    func revoked() {
        var mesh = Self.mesh()
        mesh.run(.rotateKey(Self.rotation(to: 11)))
        mesh.passTime(seconds: 11 * Self.minute)
        mesh.run(.revoke(NodeID(1), by: "sam"))
        #expect(mesh.run(.rotateKey(Self.rotation(from: 11, to: 12))).code == "mesh.join.revoked")
        for number: UInt8 in [1, 11] {
            var node = StateUnderTest.node("owl", key: 3)
            node.identityKey = Bytes(Self.key(number).publicKey.bytes)
            #expect(mesh.run(.admit(node, invitation: nil)).code == "mesh.join.revoked")
        }
        mesh.run(.removeNode(NodeID(1)))
        #expect(mesh.run(.rotateKey(Self.rotation(from: 11, to: 12))).code == "node.not_found")
    }

    @Test("32 former keys of a node are remembered, and a snapshot remembers the same")
    func remembered() throws {
        var mesh = Self.mesh()
        for number: UInt8 in 1...33 {
            #expect(mesh.run(.rotateKey(Self.rotation(from: number, to: number + 1, noise: number + 100))) == .ok)
            mesh.passTime(seconds: 10 * Self.minute)
        }
        #expect(mesh.state.node(named: "owl")?.formerKeys.count == 32)
        let copy = try SchedulerState(encoded: mesh.state.encoded())
        #expect(copy.encoded() == mesh.state.encoded() && copy.keyRotations == 33)
        for state in [mesh.state, copy] {
            #expect(state.revokedKeys.map(\.key) == mesh.state.revokedKeys.map(\.key))
            #expect(state.revokedKeys[Bytes(Self.key(1).publicKey.bytes)] == nil)
            #expect(state.revokedKeys[Bytes(Self.key(2).publicKey.bytes)] == NodeID(1))
        }
    }

    @Test("what a departed node has had as its keys is forgotten with it, in the state as in a snapshot of it")
    func departed() throws {
        var mesh = Self.mesh()
        mesh.run(.rotateKey(Self.rotation(to: 11)))
        mesh.run(.removeNode(NodeID(1)))
        #expect(mesh.state.revokedKeys.count == 1)
        for number in 0..<(SchedulerLimits.departedMax + 1) {
            var node = StateUnderTest.node("n\(number)", key: 3)
            node.identityKey = Bytes([UInt8(number & 255), UInt8(number >> 8)] + [UInt8](repeating: 7, count: 30))
            guard case .node(let id, _) = mesh.run(.admit(node, invitation: nil)) else { continue }
            mesh.run(.removeNode(id))
        }
        mesh.passTime(seconds: 1)
        #expect(mesh.state.node(NodeID(1)) == nil && mesh.state.revokedKeys.isEmpty)
        #expect(try SchedulerState(encoded: mesh.state.encoded()).revokedKeys.isEmpty)
    }

    @Test("it is in the log of what happened, with both keys and who asked")
    func audited() throws {
        var mesh = Self.mesh()
        _ = mesh.state.takeAuditLines()
        var entry = mesh.entry(.rotateKey(Self.rotation(to: 11)))
        entry.actor = "sam@owl"
        mesh.run(entry)
        let lines = mesh.state.takeAuditLines()
        let line = String(decoding: try #require(lines.first).bytes, as: UTF8.self)
        let (old, new) = (Hex.encode(Self.key(1).publicKey.bytes), Hex.encode(Self.key(11).publicKey.bytes))
        #expect(
            line.contains(
                "\"actor\":\"sam@owl\",\"node\":\"owl\",\"act\":\"key.rotated\",\"about\":\"key \(new) was \(old)\""))
    }

    @Test("no entry of it is put into a log whose mesh is at an older level")
    func level() { #expect(Command.rotateKey(Self.rotation(to: 11)).level == 7) }
}
