import Codec
import Testing

@testable import Tokens

/// Another key that certifies hosts, as somebody outside the mesh sees it.
@Suite struct MeshKeyRotationTests {
    private static let made: Int64 = 1_795_000_000
    private let founding = testKey(1)
    private let host = testKey(9)
    private var mesh: KeyID { founding.publicKey.id }

    private func rotation(from old: UInt8, to new: UInt8) -> MeshKeyRotation {
        MeshKeyRotation(from: testKey(old), to: testKey(new), mesh: mesh.text)
    }

    private func keys(from known: UInt8, by rotations: [MeshKeyRotation]) throws(TokenError) -> [PublicKey] {
        try MeshKeyRotation.keys(from: testKey(known).publicKey, by: rotations, mesh: founding.publicKey)
    }

    @Test("a statement is good with both signatures, for its mesh alone, and the same after encoding")
    func statement() throws {
        let rotation = rotation(from: 1, to: 2)
        try rotation.verify(mesh: mesh.text)
        #expect(throws: TokenError.signatureInvalid) { try rotation.verify(mesh: testKey(3).publicKey.id.text) }
        #expect(try MeshKeyRotation(encoded: rotation.encoded()) == rotation)
        #expect(throws: TokenError.signatureInvalid) { try self.rotation(from: 1, to: 1).verify(mesh: mesh.text) }
    }

    @Test("statements lead from the key that is known, wherever it stands, to the newest")
    func leads() throws {
        let all = [rotation(from: 1, to: 2), rotation(from: 2, to: 3), rotation(from: 3, to: 4)]
        for known in 1...4 {
            #expect(try keys(from: UInt8(known), by: all) == (known...4).map { testKey(UInt8($0)).publicKey })
        }
        #expect(try keys(from: 8, by: all) == [testKey(8).publicKey])
        // A gap is not jumped over, nor an older one believed behind a newer one.
        #expect(try keys(from: 1, by: [all[0], all[2]]) == [testKey(1).publicKey, testKey(2).publicKey])
        #expect(try keys(from: 1, by: all.reversed()) == [testKey(1).publicKey, testKey(2).publicKey])
    }

    @Test("a statement that somebody has altered leads nowhere")
    func forged() throws {
        let good = rotation(from: 1, to: 2)
        let stranger = MeshKeyRotation(from: testKey(1), to: testKey(2), mesh: testKey(7).publicKey.id.text)
        #expect(throws: TokenError.signatureInvalid) { try keys(from: 1, by: [stranger]) }
        for index in good.encoded().indices {
            var altered = good.encoded()
            altered[index] ^= 1
            do {
                let read = try MeshKeyRotation(encoded: altered)
                guard read.oldKey == good.oldKey else { continue }
                #expect(throws: TokenError.self, "byte \(index)") { try keys(from: 1, by: [read]) }
            } catch {
                // No statement at all.
            }
        }
    }

    @Test("a chain below the new key is good for that key and this mesh alone, and one below the old key for the old")
    func chains() throws {
        let (old, new) = (founding, testKey(2))
        let before = try CertificateChain.founding(host.publicKey, meshKey: old, now: Self.made)
        let after = try CertificateChain.founding(host.publicKey, meshKey: new, mesh: mesh, now: Self.made)
        func code(_ chain: CertificateChain, _ mesh: SigningKey, root: SigningKey?) -> String? {
            tokenError { () throws(TokenError) in
                try chain.verify(meshKey: mesh.publicKey, root: root?.publicKey, now: Self.made)
            }?.code
        }
        #expect(code(before, old, root: nil) == nil && code(after, old, root: new) == nil)
        #expect(code(after, old, root: nil) == "tokens.signature_invalid")
        #expect(code(before, old, root: new) == "tokens.signature_invalid")
        // A mesh of its own that the new key were to found is another one.
        #expect(code(after, new, root: nil) == "tokens.chain_invalid")
        #expect(try after.root(among: [old.publicKey, new.publicKey]) == new.publicKey)
        #expect(
            tokenError { () throws(TokenError) in try after.root(among: [old.publicKey]) }?.code
                == "tokens.chain_invalid")
        #expect(
            tokenError { () throws(TokenError) in try CertificateChain([]).root(among: [old.publicKey]) }?.code
                == "tokens.chain_invalid")
        let below = try after.issuing(to: testKey(5).publicKey, rights: [], mesh: mesh, signer: host, now: Self.made)
        #expect(
            try below.subjects(meshKey: old.publicKey, root: new.publicKey)
                == [host.publicKey, testKey(5).publicKey])
    }

    @Test("an invitation and a token of afterwards name the key of now, and the mesh by its first")
    func lines() throws {
        let new = testKey(2)
        let chain = try CertificateChain.founding(host.publicKey, meshKey: new, mesh: mesh, now: Self.made)
        let invitation = try Invitation(
            addresses: ["a:1"], meshKey: founding.publicKey, root: new.publicKey, meshName: "lab",
            joinToken: .issue(mesh: mesh, expires: Self.made + 60, signer: host), issuerChain: chain)
        let read = try Invitation(text: invitation.text)
        #expect(read == invitation && read.root == new.publicKey && read.meshKey == founding.publicKey)
        #expect(try read.verify(now: Self.made).mesh == mesh)
        let unled = try Invitation(
            addresses: ["a:1"], meshKey: founding.publicKey, meshName: "lab", joinToken: invitation.joinToken,
            issuerChain: chain)
        #expect(unled.root == founding.publicKey)
        #expect(tokenError { () throws(TokenError) in try unled.verify(now: Self.made) } == .signatureInvalid)

        let world = AccessWorld()
        let token = try AccessToken(
            chain: world.chain(), issuerKey: world.issuer.publicKey, holderKey: world.holder,
            meshKey: world.meshKey.publicKey, root: new.publicKey, meshName: "lab", addresses: ["a:1"],
            members: [AccessToken.mark(of: world.node.publicKey.id)])
        let again = try AccessToken(text: token.text)
        #expect(again.root == new.publicKey && again.meshKey == world.meshKey.publicKey)
        #expect(try again.narrowed(AccessNarrowing(issuedAt: world.now)).root == new.publicKey)
        #expect(try AccessToken(text: world.token().text).root == world.meshKey.publicKey)
    }
}
