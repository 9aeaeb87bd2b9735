import Codec
import Testing

@testable import Tokens

/// Random and damaged input for everything that reads what a stranger may send, from seeds.
@Suite struct UntrustedBytesTests {
    private static func damage(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0...2, using: &generator) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes.remove(at: index)
            default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
            }
        }
        return bytes
    }

    @Test("no text that is not exactly a token is taken for one")
    func tokens() throws {
        var generator = SeededGenerator(seed: 10)
        let key = testKey(1)
        let token = try JoinToken.issue(
            mesh: key.publicKey.id, expires: 1000, identifier: [UInt8](repeating: 1, count: 16), signer: key
        ).token
        for _ in 0..<1500 {
            let damaged = String(decoding: UntrustedBytesTests.damage(Array(token.utf8), &generator), as: UTF8.self)
            let error = tokenError { () throws(TokenError) in
                try JoinToken(token: damaged)
                    .verify(signer: key.publicKey, mayAdmit: true, mesh: key.publicKey.id, now: 0)
            }
            if damaged != token, error == nil { Issue.record("\(damaged)") }
        }
    }

    @Test("a signed payload of any content is refused or is what its issuer may say")
    func payloads() throws {
        var generator = SeededGenerator(seed: 11)
        let key = testKey(1)
        let mesh = key.publicKey.id
        let token = try JoinToken.issue(
            mesh: mesh, expires: 1000, identifier: [UInt8](repeating: 1, count: 16), signer: key
        ).token
        let payload = try Paseto.verify(token, implicit: JoinToken.purpose, with: key.publicKey).payload
        for _ in 0..<1500 {
            let signed = Paseto.sign(
                UntrustedBytesTests.damage(payload, &generator), footer: KeyFooter.encode(mesh),
                implicit: JoinToken.purpose, with: key)
            do {
                let content = try JoinToken(token: signed)
                    .verify(signer: key.publicKey, mayAdmit: true, mesh: mesh, now: 0)
                #expect((1...10_000).contains(content.uses))
            } catch {
                #expect(error != .signatureInvalid)
            }
        }
    }

    @Test("damaged invitations are refused by name")
    func invitations() throws {
        var generator = SeededGenerator(seed: 12)
        let key = testKey(1)
        let invitation = try Invitation(
            addresses: ["a:1"], meshKey: key.publicKey, meshName: "lab",
            joinToken: .issue(mesh: key.publicKey.id, expires: 1000, signer: key),
            issuerChain: .founding(testKey(2).publicKey, meshKey: key))
        let text = Array(invitation.text.utf8)
        for _ in 0..<1000 {
            let damaged = String(decoding: UntrustedBytesTests.damage(text, &generator), as: UTF8.self)
            do {
                // Only spaces may have been added.
                #expect(try Invitation(text: damaged) == invitation)
            } catch {
                #expect(error.code.hasPrefix("mesh.join."))
            }
        }
    }

    @Test("random and damaged bytes never stop the readers of keys, proofs and chains")
    func decoders() throws {
        var generator = SeededGenerator(seed: 13)
        let key = testKey(1)
        let samples = [
            try CertificateChain.founding(key.publicKey, meshKey: key).encoded(), key.publicKey.encoded(),
            key.publicKey.id.encoded(), NoiseKeyBinding(noiseKey: key.publicKey.bytes, identity: key).encoded(),
            JoinProof(handshakeHash: [1], tokenID: "", facts: .zero, key: key).encoded(), SigningKeyFile.line(of: key),
            Array(key.publicKey.text.utf8), Array(MeshFingerprint(meshKey: key.publicKey).text.utf8),
        ]
        var read = 0
        func attempt<T>(_ body: () throws -> T) { do { _ = try body(); read += 1 } catch { return } }
        for round in 0..<2000 {
            let bytes = UntrustedBytesTests.damage(samples[round % samples.count], &generator)
            let text = String(decoding: bytes, as: UTF8.self)
            attempt { try CertificateChain(encoded: bytes).verify(meshKey: key.publicKey) }
            attempt { try PublicKey(encoded: bytes) }
            attempt { try KeyID(encoded: bytes) }
            attempt { try NoiseKeyBinding(encoded: bytes).verify(identity: key.publicKey) }
            attempt { try JoinProof(encoded: bytes) }
            attempt { try PublicKey(text: text) }
            attempt { try KeyID(text: text) }
            _ = MeshFingerprint(text: text)
            _ = SigningKeyFile.parse(bytes[...])
        }
        // Some damage gives another valid name, key or proof; most does not.
        #expect(read < 1000)
    }
}
