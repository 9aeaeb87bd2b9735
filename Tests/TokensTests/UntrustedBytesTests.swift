import Codec
@testable import Fuzzing
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
            issuerChain: .founding(testKey(2).publicKey, meshKey: key, now: 0))
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

    @Test("random and damaged bytes never stop the readers of keys, proofs and chains, nor give one thing two names")
    func decoders() throws {
        // The key that the fuzzer trusts.
        let key = testKey(2)
        let mesh = key.publicKey.id
        let token = try JoinToken.issue(
            mesh: mesh, expires: 1000, identifier: [UInt8](repeating: 1, count: 16), signer: key)
        let chain = try CertificateChain.founding(testKey(3).publicKey, meshKey: key, now: 0)
        let invitation = try Invitation(
            addresses: ["a:1"], meshKey: key.publicKey, meshName: "lab", joinToken: token, issuerChain: chain)
        let seeds: [[UInt8]] = [
            [0] + invitation.text.utf8, [1] + token.token.utf8,
            [2] + (try Paseto.verify(token.token, implicit: JoinToken.purpose, with: key.publicKey).payload),
            [3]
                + (try Paseto.verify(
                    chain.certificates[0].token, implicit: Certificate.purpose, with: key.publicKey
                ).payload),
            [4] + chain.encoded(), [5] + key.publicKey.text.utf8, [5] + mesh.text.utf8,
            [5] + MeshFingerprint(meshKey: key.publicKey).text.utf8, [5] + SigningKeyFile.line(of: key),
            [6] + NoiseKeyBinding(noiseKey: key.publicKey.bytes, identity: key).encoded(),
            [7] + JoinProof(handshakeHash: [1], tokenID: "", facts: .zero, key: key).encoded(),
        ]
        #expect(Fuzzer.invitation.flaw(from: seeds, rounds: 2_000, seed: 13) == nil)
    }

    @Test("random and damaged access tokens are refused, or allow no more than each of their links")
    func access() throws {
        #expect(Fuzzer.access.flaw(from: try AccessFuzzing.seeds(), rounds: 2_000, seed: 14) == nil)
        let world = AccessWorld()
        let token = try world.token()
        let seeds = [Array(token.text.utf8), Array(try world.narrowed(token, to: 5).text.utf8)]
        #expect(Fuzzer.envelope.flaw(from: seeds, rounds: 2_000, seed: 15) == nil)
    }

    @Test("of damaged statements, checkpoints and proofs none is good but what was signed")
    func statements() {
        #expect(Fuzzer.statement.flaw(from: StatementFuzzing.seeds(), rounds: 2_000, seed: 16) == nil)
    }
}
