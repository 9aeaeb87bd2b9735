import Codec
import Testing
import Tokens

@Suite struct InvitationTests {
    let meshKey = testKey(1)
    let node = testKey(2)
    let expiry: Int64 = 1_795_271_400

    func token() throws(TokenError) -> JoinToken {
        try JoinToken.issue(
            mesh: meshKey.publicKey.id, uses: 2, expires: expiry, identifier: [UInt8](repeating: 7, count: 16),
            signer: node)
    }

    func invitation() throws(TokenError) -> Invitation {
        try Invitation(
            addresses: ["192.168.1.11:7717", "[fd00::1]:7717"], meshKey: meshKey.publicKey, meshName: "lab",
            joinToken: token(),
            issuerChain: .founding(node.publicKey, name: "owl", meshKey: meshKey, now: expiry - 3600))
    }

    func error(ofReading text: String) -> TokenError? {
        tokenError { () throws(TokenError) in try Invitation(text: text) }
    }

    @Test("an invitation is one line that comes back whole, also with line breaks in it")
    func roundTrip() throws {
        let invitation = try invitation()
        let text = invitation.text
        #expect(text.hasPrefix("swm1."))
        #expect(try Invitation(text: text) == invitation)
        #expect(try Invitation(text: " " + text.prefix(100) + "\r\n" + text.dropFirst(100) + "\n") == invitation)
        #expect(try invitation.verify(now: expiry).uses == 2)
        let late = tokenError { () throws(TokenError) in try invitation.verify(now: expiry + 60) }
        #expect(late?.code == "mesh.join.token_expired")
    }

    @Test("a line cut off anywhere says so and by how much")
    func truncated() throws {
        let text = try invitation().text
        let total = text.utf8.count
        for count in 5..<total {
            let known: Int? = count < 9 ? nil : total
            let error = error(ofReading: String(text.prefix(count)))
            if error != .invitationTruncated(have: count, of: known) { Issue.record("\(count): \(error as Any)") }
        }
        #expect(
            error(ofReading: String(text.prefix(total - 100)))?.message
                == "the invitation is cut off: \(total - 100) of \(total) characters")
        #expect(error(ofReading: String(text.prefix(9)))?.code == "mesh.join.invitation_truncated")
    }

    @Test("a line with one altered character is damaged, and another text is no invitation")
    func damaged() throws {
        let text = Array(try invitation().text.utf8)
        for index in 5..<text.count {
            var altered = text
            altered[index] = altered[index] == UInt8(ascii: "B") ? UInt8(ascii: "C") : UInt8(ascii: "B")
            let code = error(ofReading: String(decoding: altered, as: UTF8.self))?.code
            // The first four characters are the length.
            let isNamed =
                code == "mesh.join.invitation_malformed" || (index < 9 && code == "mesh.join.invitation_truncated")
            if !isNamed { Issue.record("character \(index): \(code ?? "read")") }
        }
        let whole = String(decoding: text, as: UTF8.self)
        #expect(error(ofReading: whole + "A") == .invitationMalformed)
        #expect(error(ofReading: whole + whole) == .invitationMalformed)
        for other in [
            "", "swm", "SWM1." + whole.dropFirst(5), "swa1.AAAA", "v4.public.AAAA", "192.168.1.11", "swm2.AAAA",
        ] {
            #expect(error(ofReading: other) == .notAnInvitation, "\(other.prefix(20))")
        }
    }

    @Test("an invitation whose chain does not lead to the signer of its token is void")
    func foreignChain() throws {
        let invitation = try Invitation(
            addresses: [], meshKey: meshKey.publicKey, meshName: "lab", joinToken: token(),
            issuerChain: .founding(testKey(3).publicKey, meshKey: meshKey, now: 0))
        #expect(tokenError { () throws(TokenError) in try invitation.verify(now: 0) } == .signatureInvalid)
    }

    @Test("an invitation with more addresses or longer texts than it can hold is not made")
    func limits() throws {
        for (count, name) in [(9, "lab"), (1, String(repeating: "n", count: 256))] {
            let error = tokenError { () throws(TokenError) in
                try Invitation(
                    addresses: [String](repeating: "a:1", count: count), meshKey: meshKey.publicKey, meshName: name,
                    joinToken: token(), issuerChain: CertificateChain([]))
            }
            #expect(error?.code == "tokens.malformed")
        }
    }
}
