import Testing

@testable import Tokens

@Suite struct CertificateValidityTests {
    let meshKey = testKey(1)
    let founder = testKey(2)
    let second = testKey(3)
    static let day: Int64 = 86_400
    static let made: Int64 = 1_795_000_000
    var mesh: KeyID { meshKey.publicKey.id }

    func founding(at time: Int64 = made) throws(TokenError) -> CertificateChain {
        try .founding(founder.publicKey, name: "owl", meshKey: meshKey, now: time)
    }

    func chain(founded: Int64, joined: Int64) throws(TokenError) -> CertificateChain {
        try founding(at: founded)
            .issuing(to: second.publicKey, name: "newt", rights: [], mesh: mesh, signer: founder, now: joined)
    }

    /// As versions before level 7 made them.
    func endless(_ key: SigningKey, signer: SigningKey) throws(TokenError) -> Certificate {
        try .sign(to: key.publicKey, name: "old", rights: [.admit], validity: nil, mesh: mesh, signer: signer)
    }

    func code(_ chain: CertificateChain, at time: Int64) -> String? {
        tokenError { () throws(TokenError) in try chain.verify(meshKey: meshKey.publicKey, now: time) }?.code
    }

    @Test("a certificate of the mesh key is good for 400 days and 30 seconds, from a day before it was made")
    func bounds() throws {
        let chain = try founding()
        let end = Self.made + 400 * Self.day
        #expect(code(chain, at: end + 30) == nil)
        #expect(code(chain, at: end + 31) == "mesh.certificate.expired")
        #expect(code(chain, at: Self.made - Self.day) == nil)
        #expect(code(chain, at: Self.made - Self.day - 1) == "mesh.certificate.not_yet")
    }

    @Test("a chain is good as long as each of its links, whichever ends first")
    func shortest() throws {
        let month = 30 * Self.day
        let young = try chain(founded: Self.made, joined: Self.made + 5 * Self.day)
        let content = try young.verify(meshKey: meshKey.publicKey)
        #expect(content.validity?.issued == Self.made + 5 * Self.day)
        #expect(content.validity?.expires == Self.made + 5 * Self.day + month)
        #expect(code(young, at: Self.made + 5 * Self.day + month + 30) == nil)
        #expect(code(young, at: Self.made + 5 * Self.day + month + 31) == "mesh.certificate.expired")
        // The link above ends first.
        let old = try chain(founded: Self.made, joined: Self.made + 399 * Self.day)
        #expect(code(old, at: Self.made + 400 * Self.day + 30) == nil)
        #expect(code(old, at: Self.made + 400 * Self.day + 31) == "mesh.certificate.expired")
        // One link ends before the other begins.
        let apart = try chain(founded: Self.made, joined: Self.made + 500 * Self.day)
        #expect(code(apart, at: Self.made + 501 * Self.day) == "mesh.certificate.expired")
    }

    @Test("members among each other look at no end")
    func members() throws {
        let content = try chain(founded: 0, joined: 0).verify(meshKey: meshKey.publicKey)
        #expect(content.subject == second.publicKey && content.validity?.expires == 30 * Self.day)
        let endless = CertificateChain([try endless(founder, signer: meshKey)])
        #expect(try endless.verify(meshKey: meshKey.publicKey).validity == nil)
    }

    @Test("a chain with a link without an end has none, and outsiders do not take it")
    func withoutEnd() throws {
        let first = CertificateChain([try endless(founder, signer: meshKey)])
        let above = try first.issuing(to: second.publicKey, rights: [], mesh: mesh, signer: founder, now: Self.made)
        let below = CertificateChain(try founding().certificates + [endless(second, signer: founder)])
        for chain in [first, above, below] {
            #expect(try chain.verify(meshKey: meshKey.publicKey).validity == nil)
            #expect(code(chain, at: Self.made) == "mesh.certificate.endless")
        }
    }

    @Test("an end without a beginning, one before it, and a life of more than 400 days are refused")
    func forms() throws {
        let (begin, end) = ("2026-11-22T12:00:00Z", "2027-12-27T12:00:00Z")
        func read(_ times: String) throws -> TokenError? {
            let id = meshKey.publicKey.id
            let payload =
                #"{"typ":"swarmlet.certificate.v1","iss":"\#(id.text)","aud":"\#(id.text)","#
                + #""sub":"\#(founder.publicKey.text)","may":[]\#(times)}"#
            let token = Paseto.sign(
                Array(payload.utf8), footer: KeyFooter.encode(id), implicit: Certificate.purpose, with: meshKey)
            return tokenError { () throws(TokenError) in
                try Certificate(token: token).verify(signer: meshKey.publicKey, mesh: id)
            }
        }
        #expect(try read("") == nil)
        #expect(try read(#","iat":"\#(begin)","exp":"\#(end)""#) == nil)
        #expect(try read(#","iat":"\#(begin)""#)?.code == "tokens.malformed")
        #expect(try read(#","exp":"\#(end)""#)?.code == "tokens.malformed")
        #expect(try read(#","iat":"\#(end)","exp":"\#(begin)""#)?.code == "tokens.malformed")
        #expect(try read(#","iat":"\#(begin)","exp":"\#(begin)""#)?.code == "tokens.malformed")
        #expect(try read(#","iat":"\#(begin)","exp":"2027-12-27T12:00:01Z""#)?.code == "tokens.malformed")
        #expect(try read(#","iat":1,"exp":2"#)?.code == "tokens.malformed")
    }

    @Test(
        "an invitation is void once the certificates of who made it are over, and says first that it has run out itself"
    )
    func invitations() throws {
        func invitation(expires: Int64) throws(TokenError) -> Invitation {
            try Invitation(
                addresses: ["a:1"], meshKey: meshKey.publicKey, meshName: "lab",
                joinToken: .issue(mesh: mesh, expires: expires, signer: founder), issuerChain: founding())
        }
        let late = Self.made + 401 * Self.day
        func code(_ invitation: Invitation, at time: Int64) -> String? {
            tokenError { () throws(TokenError) in try invitation.verify(now: time) }?.code
        }
        #expect(code(try invitation(expires: late), at: Self.made + 399 * Self.day) == nil)
        #expect(code(try invitation(expires: late), at: late) == "mesh.certificate.expired")
        #expect(code(try invitation(expires: Self.made + 60), at: late) == "mesh.join.token_expired")
    }

    @Test("each link of a chain is named, from the mesh key down")
    func subjects() throws {
        let chain = try chain(founded: Self.made, joined: Self.made)
        #expect(try chain.subjects(meshKey: meshKey.publicKey) == [founder.publicKey, second.publicKey])
        #expect(throws: TokenError.self) { try chain.subjects(meshKey: second.publicKey) }
    }
}
