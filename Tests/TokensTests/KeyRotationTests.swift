import Codec
import Testing

@testable import Tokens

/// A key in the place of another one, and what the old one has signed.
@Suite struct KeyRotationTests {
    let world = AccessWorld()
    private let mesh = testKey(1).publicKey.id.text

    private func rotation() -> KeyRotation {
        KeyRotation(
            of: NodeID(3), from: testKey(5), to: testKey(6), noiseKey: [UInt8](repeating: 7, count: 32), mesh: mesh)
    }

    @Test("a statement is good with both signatures, for its mesh alone, and the same after encoding")
    func statement() throws {
        try rotation().verify(mesh: mesh)
        #expect(throws: TokenError.signatureInvalid) { try rotation().verify(mesh: testKey(2).publicKey.id.text) }
        #expect(try KeyRotation(encoded: rotation().encoded()) == rotation())
    }

    @Test("any bit of any part that is changed makes it worthless")
    func changed() throws {
        let bytes = rotation().encoded()
        for index in bytes.indices {
            var altered = bytes
            altered[index] ^= 1
            do {
                let read = try KeyRotation(encoded: altered)
                #expect(throws: TokenError.self, "byte \(index)") { try read.verify(mesh: mesh) }
            } catch {
                // No statement at all.
            }
        }
    }

    /// A world whose issuer was replaced at its now less so many seconds.
    private func replaced(secondsAgo: Int64, until: Int64 = 600, isRecordedOnly: Bool = false) -> AccessWorld {
        var world = world
        let at = AccessWorld.now - secondsAgo
        world.ledger.issuers[world.issuer.publicKey.id] = AccessIssuer(
            key: world.issuer.publicKey, name: "owl",
            replacement: .init(at: at, until: at + until, isRecordedOnly: isRecordedOnly))
        return world
    }

    private func code(_ world: AccessWorld) throws -> String? {
        guard let refusal = try world.refusal() else { return nil }
        #expect(refusal.step == .meaning)
        return refusal.answer.code
    }

    @Test(
        "what a replaced key had signed is believed to the second of its grace, and the holder is told why not after it"
    )
    func grace() throws {
        #expect(try code(replaced(secondsAgo: 30)) == nil)
        #expect(try code(replaced(secondsAgo: 30, until: 30)) == nil)
        #expect(try code(replaced(secondsAgo: 31, until: 30)) == "token.key_replaced")
    }

    @Test("what it signs after it was replaced is believed by nobody, but for the tolerance of clocks")
    func later() throws {
        // The token of the world is 60 s old.
        #expect(try code(replaced(secondsAgo: 90)) == nil)
        #expect(try code(replaced(secondsAgo: 91)) == "token.key_replaced")
    }

    @Test("where only what the mesh has made counts, an older date in a new token helps no thief")
    func recorded() throws {
        var world = replaced(secondsAgo: 30, isRecordedOnly: true)
        #expect(try code(world) == "token.key_replaced")
        let grant = try world.token().grant
        world.ledger.issued = [grant.names[0]: grant.rootDigest]
        #expect(try code(world) == nil)
    }

    @Test("a token that was good ends in the middle of an answer when the grace does")
    func again() throws {
        var world = replaced(secondsAgo: 30, until: 60)
        let request = AccessRequest(.run)
        let grant = try world.token().grant
        try AccessVerifier.verifyAgain(grant, for: request, in: world.situation())
        world.now += 31
        #expect(throws: AccessRefusal.self) {
            try AccessVerifier.verifyAgain(grant, for: request, in: world.situation())
        }
    }
}
