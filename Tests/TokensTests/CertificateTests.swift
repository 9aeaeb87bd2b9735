import Codec
import Testing

@testable import Tokens

@Suite struct CertificateTests {
    let meshKey = testKey(1)
    let founder = testKey(2)
    let second = testKey(3)
    let third = testKey(4)
    var mesh: KeyID { meshKey.publicKey.id }
    static let made: Int64 = 1_795_000_000
    var validity: CertificateValidity {
        get throws(TokenError) { try .made(now: Self.made, byMeshKey: true) }
    }

    func code(_ chain: CertificateChain, mesh: SigningKey? = nil) -> String? {
        tokenError { () throws(TokenError) in try chain.verify(meshKey: (mesh ?? meshKey).publicKey) }?.code
    }

    @Test("the founder's chain leads from the mesh key to its node, which may admit")
    func founding() throws {
        let chain = try CertificateChain.founding(founder.publicKey, name: "owl", meshKey: meshKey, now: Self.made)
        let content = try chain.verify(meshKey: meshKey.publicKey)
        #expect(content.subject == founder.publicKey)
        #expect(content.name == "owl" && content.mayAdmit && content.mesh == mesh)
        #expect(try CertificateChain(encoded: chain.encoded()) == chain)
    }

    @Test("a node that may admit certifies others, one that may not does not")
    func rights() throws {
        let chain = try CertificateChain.founding(founder.publicKey, meshKey: meshKey, now: Self.made)
            .issuing(to: second.publicKey, rights: [], mesh: mesh, signer: founder, now: Self.made)
        let content = try chain.verify(meshKey: meshKey.publicKey)
        #expect(content.subject == second.publicKey && !content.mayAdmit && content.name == nil)
        let further = try chain.issuing(
            to: third.publicKey, rights: [.admit], mesh: mesh, signer: second, now: Self.made)
        #expect(code(further) == "tokens.chain_invalid")
    }

    @Test("a chain of another mesh, of another signer, without its start or empty is refused")
    func broken() throws {
        let chain = try CertificateChain.founding(founder.publicKey, meshKey: meshKey, now: Self.made)
            .issuing(to: second.publicKey, rights: [], mesh: mesh, signer: founder, now: Self.made)
        #expect(code(chain, mesh: testKey(9)) == "tokens.signature_invalid")
        #expect(code(CertificateChain(Array(chain.certificates.dropFirst()))) == "tokens.signature_invalid")
        #expect(code(CertificateChain(chain.certificates.reversed())) == "tokens.signature_invalid")
        #expect(code(CertificateChain([])) == "tokens.chain_invalid")
        let otherMesh = try CertificateChain([
            .issue(
                to: founder.publicKey, rights: [.admit], validity: validity, mesh: testKey(9).publicKey.id,
                signer: meshKey)
        ])
        #expect(code(otherMesh) == "tokens.chain_invalid")
    }

    @Test("a chain of eight is followed, one of nine is not")
    func length() throws {
        var chain = try CertificateChain.founding(testKey(10).publicKey, meshKey: meshKey, now: Self.made)
        for number in UInt8(11)...17 {
            chain = try chain.issuing(
                to: testKey(number).publicKey, rights: [.admit], mesh: mesh, signer: testKey(number - 1), now: Self.made
            )
        }
        #expect(chain.certificates.count == 8)
        #expect(code(chain) == nil)
        let issuing = tokenError { [chain] () throws(TokenError) in
            try chain.issuing(to: founder.publicKey, rights: [], mesh: mesh, signer: testKey(17), now: Self.made)
        }
        #expect(issuing?.code == "tokens.chain_invalid")
        chain = CertificateChain(
            try chain.certificates + [
                .issue(to: founder.publicKey, rights: [], validity: validity, mesh: mesh, signer: testKey(17))
            ])
        #expect(code(chain) == "tokens.chain_invalid")
        #expect(throws: CodecError.self) { try CertificateChain(encoded: chain.encoded()) }
    }

    @Test("a join token is no certificate, and a certificate no join token")
    func purposes() throws {
        let certificate = try Certificate.issue(
            to: founder.publicKey, rights: [.admit], validity: validity, mesh: mesh, signer: meshKey)
        let token = try JoinToken.issue(mesh: mesh, expires: 1000, signer: meshKey)
        let asToken = tokenError { () throws(TokenError) in
            try JoinToken(token: certificate.token)
                .verify(signer: meshKey.publicKey, mayAdmit: true, mesh: mesh, now: 0)
        }
        let asCertificate = tokenError { () throws(TokenError) in
            try Certificate(token: token.token).verify(signer: meshKey.publicKey, mesh: mesh)
        }
        #expect(asToken == .signatureInvalid && asCertificate == .signatureInvalid)
    }

    @Test("a name that is too long is refused when the certificate is made")
    func longName() {
        let error = tokenError { () throws(TokenError) in
            try Certificate.issue(
                to: founder.publicKey, name: String(repeating: "n", count: 254), rights: [], validity: validity,
                mesh: mesh, signer: meshKey)
        }
        #expect(error?.code == "tokens.malformed")
    }
}
