import Codec
import Testing
import Tokens

@Suite struct JoinTests {
    let meshKey = testKey(1)
    let node = testKey(2)
    let joiner = testKey(3)
    var mesh: KeyID { meshKey.publicKey.id }
    let expiry: Int64 = 1_795_271_400

    func token(
        uses: UInt32 = 2, labels: [JoinToken.Label] = [JoinToken.Label(name: "rack", value: "a")]
    ) throws(TokenError) -> JoinToken {
        try JoinToken.issue(
            mesh: mesh, uses: uses, expires: expiry, role: .worker, labels: labels,
            identifier: [0x7C, 0x1E] + [UInt8](repeating: 0, count: 14), signer: node)
    }

    func error(
        of token: JoinToken, signer: SigningKey? = nil, mayAdmit: Bool = true, mesh: KeyID? = nil, now: Int64 = 0
    ) -> TokenError? {
        tokenError { () throws(TokenError) in
            try token.verify(
                signer: (signer ?? node).publicKey, mayAdmit: mayAdmit, mesh: mesh ?? self.mesh, now: now)
        }
    }

    @Test("a join token says how many nodes it admits, until when and as what")
    func content() throws {
        let content = try token().verify(signer: node.publicKey, mayAdmit: true, mesh: mesh, now: expiry)
        #expect(content.uses == 2 && content.expires == expiry && content.role == .worker)
        #expect(content.labels == [JoinToken.Label(name: "rack", value: "a")])
        #expect(content.issuer == node.publicKey.id && content.mesh == mesh)
        #expect(content.shortID == "7c1e")
        #expect(try token().unverifiedIssuer() == node.publicKey.id)
    }

    @Test(
        "an invitation of a mesh that was recovered says of which epoch it is, and one of another mesh says nothing new"
    )
    func epoch() throws {
        func issued(_ epoch: Int64) throws -> JoinToken {
            try JoinToken.issue(mesh: mesh, expires: expiry, epoch: epoch, signer: node)
        }
        func content(_ token: JoinToken) throws -> JoinToken.Content {
            try token.verify(signer: node.publicKey, mayAdmit: true, mesh: mesh, now: 0)
        }
        #expect(try content(issued(1_763_733_600)).epoch == 1_763_733_600)
        #expect(try content(issued(0)).epoch == 0)
        let body = try Base64URL.decode(String(issued(0).token.split(separator: ".")[2]))
        // What programs of before can read.
        #expect(!String(decoding: body.dropLast(64), as: UTF8.self).contains("\"ep\""))
    }

    @Test("an expired token is refused with its time, once the tolerated difference of clocks is over")
    func expired() throws {
        #expect(try error(of: token(), now: expiry + 30) == nil)
        let error = try error(of: token(), now: expiry + 31)
        #expect(error?.code == "mesh.join.token_expired")
        #expect(error?.message == "invitation 7c1e ran out at 14:30 UTC")
    }

    @Test("a token of another mesh, of a signer that may not admit or with a forged signature is refused")
    func refusals() throws {
        #expect(try error(of: token(), mesh: testKey(9).publicKey.id)?.code == "mesh.join.other_mesh")
        #expect(try error(of: token(), mayAdmit: false)?.code == "mesh.join.issuer_may_not_admit")
        #expect(try error(of: token(), signer: joiner) == .signatureInvalid)
        #expect(error(of: JoinToken(token: "v4.public.x"))?.code == "tokens.malformed")
    }

    @Test("no token is made for no nodes, for too many, or with labels that are twice there or too long")
    func limits() {
        let label = JoinToken.Label(name: "a", value: "b")
        let long = JoinToken.Label(name: String(repeating: "a", count: 64), value: "b")
        // Control characters take six bytes each in the payload.
        let wide = (0..<16).map { JoinToken.Label(name: "\($0)", value: String(repeating: "\u{1}", count: 63)) }
        let many = (0..<17).map { JoinToken.Label(name: "\($0)", value: "") }
        let unnamed = JoinToken.Label(name: "", value: "b")
        let cases: [(UInt32, [JoinToken.Label])] = [
            (0, []), (10_001, []), (1, [label, label]), (1, [long]), (1, [unnamed]), (1, wide), (1, many),
        ]
        for (uses, labels) in cases {
            let error = tokenError { () throws(TokenError) in try token(uses: uses, labels: labels) }
            #expect(error?.code == "tokens.malformed")
        }
    }

    @Test("no token is made that runs out before 1970 or after 2261")
    func expiryRange() {
        for expires in [-1, Int64.max] {
            let error = tokenError { () throws(TokenError) in
                try JoinToken.issue(mesh: mesh, expires: expires, signer: node)
            }
            #expect(error?.code == "tokens.malformed")
        }
        #expect(TokenError.joinTokenExpired(id: "7c1e", expired: .max).message.hasPrefix("invitation 7c1e ran out at"))
    }

    @Test("the wording of a used invitation and of two meshes is that of the stories")
    func wording() {
        let used = TokenError.joinTokenUsed(id: "7c1e", uses: "n2 at 14:09, n3 at 14:10 UTC")
        #expect(used.message == "invitation 7c1e is used up: n2 at 14:09, n3 at 14:10 UTC")
        #expect(used.code == "mesh.join.token_used")
        #expect(used.hint == "if all are yours, make another: swarmlet invite. If not: swarmlet node revoke NAME")
        let other = TokenError.otherMesh(here: "n2", size: "1 node, no jobs", invitation: "lab")
        #expect(other.message == "this node belongs to mesh n2 (1 node, no jobs), the invitation is for mesh lab")
        #expect(other.hint == "to give up mesh n2: swarmlet leave --forget, then join again")
    }

    @Test("a proof is worth nothing on another connection, with another token, other facts or another key")
    func proof() throws {
        let facts = BLAKE3.hash([1])
        let proof = JoinProof(handshakeHash: [1, 2], tokenID: "t", facts: facts, key: joiner)
        func code(_ hash: [UInt8], _ id: String, _ facts: Digest, _ key: SigningKey) -> String? {
            tokenError { () throws(TokenError) in
                try proof.verify(handshakeHash: hash, tokenID: id, facts: facts, key: key.publicKey)
            }?.code
        }
        #expect(code([1, 2], "t", facts, joiner) == nil)
        #expect(code([1, 3], "t", facts, joiner) == "mesh.join.proof_invalid")
        #expect(code([1, 2], "u", facts, joiner) == "mesh.join.proof_invalid")
        #expect(code([1, 2], "t", .zero, joiner) == "mesh.join.proof_invalid")
        #expect(code([1, 2], "t", facts, node) == "mesh.join.proof_invalid")
        #expect(try JoinProof(encoded: proof.encoded()) == proof)
    }

    @Test("a Noise key belongs to the identity that signed it")
    func noiseBinding() throws {
        let binding = NoiseKeyBinding(noiseKey: [UInt8](repeating: 5, count: 32), identity: node)
        let read = try NoiseKeyBinding(encoded: binding.encoded())
        try read.verify(identity: node.publicKey)
        #expect(
            tokenError { () throws(TokenError) in try read.verify(identity: joiner.publicKey) } == .signatureInvalid)
        var map = try binding.cbor.requireMap()
        map.setBytes(1, [UInt8](repeating: 6, count: 32))
        let altered = try NoiseKeyBinding(cbor: map.cbor)
        #expect(
            tokenError { () throws(TokenError) in try altered.verify(identity: node.publicKey) } == .signatureInvalid)
        map.setBytes(1, [1])
        let short = map.cbor
        #expect(throws: CodecError.self) { try NoiseKeyBinding(cbor: short) }
    }

    @Test("a fingerprint is eight groups of four, read back in either case and with or without hyphens")
    func fingerprint() throws {
        let fingerprint = MeshFingerprint(meshKey: meshKey.publicKey)
        let groups = fingerprint.text.split(separator: "-")
        #expect(groups.count == 8 && groups.allSatisfy { $0.utf8.count == 4 })
        #expect(!fingerprint.text.contains { "ilo0".contains($0) })
        #expect(MeshFingerprint(text: fingerprint.text) == fingerprint)
        #expect(MeshFingerprint(text: groups.joined(separator: " ").uppercased()) == fingerprint)
        #expect(MeshFingerprint(text: groups.joined()) == fingerprint)
        #expect(MeshFingerprint(meshKey: node.publicKey) != fingerprint)
        let text = fingerprint.text
        for wrong in ["", "k7qd", text + "1", String(text.dropLast()), "l" + text.dropFirst()] {
            #expect(MeshFingerprint(text: wrong) == nil)
        }
    }
}
