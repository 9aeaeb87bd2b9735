import Codec
import Testing
import Tokens

@testable import Scheduler

/// Another key that certifies hosts, as the state sees it.
@Suite("Rotation of the mesh key in the state")
struct MeshKeyRotationTests {
    static let founding = SigningKey(seed: [UInt8](repeating: 201, count: 32))

    /// The keys that follow it by number; 0 is the one that founded the mesh.
    static func key(_ number: UInt8) -> SigningKey {
        number == 0 ? founding : SigningKey(seed: [UInt8](repeating: 201 + number, count: 32))
    }

    static func rotation(from old: UInt8 = 0, to new: UInt8, mesh: String? = nil) -> MeshKeyRotation {
        MeshKeyRotation(from: key(old), to: key(new), mesh: mesh ?? founding.publicKey.id.text)
    }

    private static func bytes(_ number: UInt8) -> Bytes { Bytes(key(number).publicKey.bytes) }

    /// A mesh whose key can sign.
    private static func mesh(level: UInt64 = 7) -> StateUnderTest {
        var mesh = StateUnderTest()
        mesh.run(
            .found(
                meshName: "lab", meshKeyID: founding.publicKey.id.text, meshKey: bytes(0),
                node: StateUnderTest.node("owl", key: 1)))
        mesh.run(.raiseLevel(level))
        return mesh
    }

    @Test("another key certifies hosts, and the mesh is named by the first")
    func rotates() throws {
        var mesh = Self.mesh()
        #expect(mesh.state.currentMeshKey == Self.bytes(0) && mesh.state.shownMeshKeyRotations.isEmpty)
        #expect(mesh.run(.rotateMeshKey(Self.rotation(to: 1))) == .ok)
        #expect(mesh.events == [.meshKeyChanged])
        #expect(mesh.state.currentMeshKey == Self.bytes(1) && mesh.state.meshKey == Self.bytes(0))
        #expect(mesh.state.meshKeyID == Self.founding.publicKey.id.text)
        #expect(mesh.state.shownMeshKeyRotations == [Self.rotation(to: 1)])
        #expect(mesh.state.isMeshKey(Self.bytes(0)) && mesh.state.isMeshKey(Self.bytes(1)))
        let read = try SchedulerState(encoded: mesh.state.encoded())
        #expect(read.meshKeyReplacements == mesh.state.meshKeyReplacements)
    }

    @Test("asked again, it changes nothing and is no error")
    func again() {
        var mesh = Self.mesh()
        for _ in 0..<2 { #expect(mesh.run(.rotateMeshKey(Self.rotation(to: 1))) == .ok) }
        #expect(mesh.events.isEmpty && mesh.state.meshKeyReplacements.count == 1)
    }

    @Test("what a key did not sign, for this mesh and from the key of now, changes nothing")
    func forged() throws {
        var mesh = Self.mesh()
        let good = Self.rotation(to: 1)
        for byte in good.encoded().indices {
            var altered = good.encoded()
            altered[byte] ^= 1
            do {
                let read = try MeshKeyRotation(encoded: altered)
                #expect(mesh.run(.rotateMeshKey(read)).code == "rotate.refused", "byte \(byte)")
            } catch {
                // No statement at all.
            }
        }
        for rotation in [Self.rotation(to: 1, mesh: "k4.pid.x"), Self.rotation(from: 2, to: 1), Self.rotation(to: 0)] {
            #expect(mesh.run(.rotateMeshKey(rotation)).code == "rotate.refused")
        }
        #expect(mesh.state.meshKeyReplacements.isEmpty)
        #expect(mesh.run(.rotateMeshKey(good)) == .ok)
    }

    @Test("a key that is or was the mesh's, a node's or an issuer's is not taken, and no issuer gets the mesh's")
    func known() throws {
        var mesh = Self.mesh()
        var node = StateUnderTest.node("fox", key: 9)
        node.identityKey = Self.bytes(5)
        mesh.run(.admit(node, invitation: nil))
        mesh.run(
            .addIssuer(
                IssuerRecord(id: "i", key: Self.bytes(6), name: "ci", lifetimeSeconds: 60, by: "ana")))
        for number: UInt8 in [5, 6] {
            #expect(mesh.run(.rotateMeshKey(Self.rotation(to: number))).code == "rotate.refused")
        }
        #expect(mesh.run(.rotateMeshKey(Self.rotation(to: 1))) == .ok)
        mesh.passTime(seconds: 600)
        #expect(mesh.run(.rotateMeshKey(Self.rotation(from: 1, to: 0))).code == "rotate.refused")
        let issuer = IssuerRecord(id: "j", key: Self.bytes(1), name: "ci", lifetimeSeconds: 60, by: "ana")
        #expect(mesh.run(.rotateIssuer("i", issuer)).code == "rotate.refused")
        #expect(mesh.run(.rotateMeshKey(Self.rotation(from: 1, to: 2))) == .ok)
    }

    @Test("the next one has to wait for ten minutes")
    func tooSoon() {
        var mesh = Self.mesh()
        mesh.run(.rotateMeshKey(Self.rotation(to: 1)))
        // Each entry is a second later than the one before.
        mesh.passTime(seconds: 598)
        #expect(mesh.run(.rotateMeshKey(Self.rotation(from: 1, to: 2))).code == "rotate.just_now")
        #expect(mesh.run(.rotateMeshKey(Self.rotation(from: 1, to: 2))) == .ok)
        #expect(mesh.state.currentMeshKey == Self.bytes(2))
    }

    @Test("outsiders are led from a former key for 30 days, and eight of them are remembered")
    func bounds() {
        var mesh = Self.mesh()
        for number: UInt8 in 1...10 {
            #expect(mesh.run(.rotateMeshKey(Self.rotation(from: number - 1, to: number))) == .ok)
            mesh.passTime(seconds: 86_400)
        }
        let kept = (3...10).map { Self.rotation(from: $0 - 1, to: $0) }
        #expect(mesh.state.meshKeyReplacements.map(\.rotation) == kept)
        #expect(mesh.state.shownMeshKeyRotations == kept)
        // The oldest of them was eight days and seven seconds ago.
        mesh.passTime(seconds: 22 * 86_400 - 8)
        #expect(mesh.state.shownMeshKeyRotations == kept)
        mesh.passTime(seconds: 1)
        #expect(mesh.state.shownMeshKeyRotations == Array(kept.dropFirst()))
        mesh.passTime(seconds: 7 * 86_400 + 7)
        #expect(mesh.state.shownMeshKeyRotations.isEmpty && mesh.state.currentMeshKey == Self.bytes(10))
    }

    @Test("it is in the log of what happened, with both keys and who asked")
    func audited() throws {
        var mesh = Self.mesh()
        _ = mesh.state.takeAuditLines()
        var entry = mesh.entry(.rotateMeshKey(Self.rotation(to: 1)))
        entry.actor = "sam@owl"
        mesh.run(entry)
        let line = String(decoding: try #require(mesh.state.takeAuditLines().first).bytes, as: UTF8.self)
        let (old, new) = (Hex.encode(Self.bytes(0).array), Hex.encode(Self.bytes(1).array))
        #expect(
            line.contains(
                "\"actor\":\"sam@owl\",\"act\":\"key.rotated\",\"about\":\"mesh lab key \(new) was \(old)\""))
    }

    @Test("no entry of it is put into a log whose mesh is at an older level, or that has no founder")
    func level() {
        #expect(Command.rotateMeshKey(Self.rotation(to: 1)).level == 7)
        var mesh = StateUnderTest()
        #expect(mesh.run(.rotateMeshKey(Self.rotation(to: 1))).code == "mesh.not_founded")
    }
}
