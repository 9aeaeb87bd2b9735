import Codec
import Testing

@testable import Tokens

/// The line that people carry.
@Suite struct AccessTokenTests {
    let world = AccessWorld()

    private func error(_ text: String) -> TokenError? {
        tokenError { () throws(TokenError) in try AccessToken(text: text) }
    }

    @Test("a line says the same when it is read again, also where a chat program broke it")
    func roundTrip() throws {
        let token = try world.token()
        let text = token.text
        #expect(text.hasPrefix("swa1.") && text.utf8.count < 1600)
        for altered in [text, text + "\n", " " + text.prefix(700) + "\r\n  " + text.dropFirst(700)] {
            let again = try AccessToken(text: altered)
            #expect(again.text == text && again.grant == token.grant && again.addresses == token.addresses)
            #expect(again.holderKey?.publicKey == world.holder.publicKey && again.meshName == "lab")
        }
    }

    @Test("a line that was cut off says by how much")
    func truncated() throws {
        let text = try world.token().text
        let cut = String(text.prefix(1031))
        #expect(error(cut)?.message == "the token is cut off: 1031 of \(text.utf8.count) characters")
        #expect(error(cut)?.code == "token.truncated")
        #expect(error("swa1.AA")?.code == "token.truncated")
        for other in ["", "swm1.AAAA", "x", text.uppercased()] {
            #expect(error(other)?.code == "token.not_a_token", "\(other.prefix(9))")
        }
        #expect(error(text + "A")?.code == "token.damaged")
    }

    @Test("every single altered character of a line is noticed")
    func altered() throws {
        let characters = Array(try world.token().text.utf8)
        for index in characters.indices {
            var altered = characters
            altered[index] = altered[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            #expect(error(String(decoding: altered, as: UTF8.self)) != nil, "character \(index)")
        }
    }

    @Test("every single altered bit of a link makes it void")
    func alteredLinks() throws {
        let chain = try world.narrowed(world.token(), to: 5).chain
        let good = try world.presentation(chain, key: testKey(5))
        #expect(world.refusal(good) == nil)
        for (number, link) in chain.links.enumerated() {
            let characters = Array(link.utf8)
            for index in characters.indices {
                var altered = characters
                altered[index] ^= 1 << UInt8(index % 7)
                var presented = good
                presented.links[number] = String(decoding: altered, as: UTF8.self)
                #expect(world.refusal(presented) != nil, "link \(number), character \(index)")
            }
        }
    }

    @Test("a line holds its holder's key or none, never that of somebody else")
    func holderKeys() throws {
        let chain = try world.chain()
        let mark = AccessToken.mark(of: world.node.publicKey.id)
        func token(
            _ key: SigningKey?, issuer: PublicKey? = nil, addresses: [String] = [], members: [[UInt8]]? = nil
        ) throws -> AccessToken {
            try AccessToken(
                chain: chain, issuerKey: issuer ?? world.issuer.publicKey, holderKey: key,
                meshKey: world.meshKey.publicKey, meshName: "lab", addresses: addresses, members: members ?? [mark])
        }
        #expect(try AccessToken(text: token(nil).text).holderKey == nil)
        #expect(throws: TokenError.self) { try token(testKey(9)) }
        #expect(throws: TokenError.self) { try token(nil, issuer: testKey(9).publicKey) }
        #expect(throws: TokenError.self) { try token(nil, addresses: [String](repeating: "a:1", count: 9)) }
        #expect(throws: TokenError.self) { try token(nil, addresses: ["a\u{1B}[2J:1"]) }
        #expect(throws: TokenError.self) { try token(nil, members: []) }
        #expect(throws: TokenError.self) { try token(nil, members: [[1]]) }
        #expect(throws: TokenError.self) { try token(nil, members: [[UInt8]](repeating: mark, count: 17)) }
        let read = try AccessToken(text: token(nil).text)
        try read.check(member: world.node.publicKey.id)
        #expect(throws: TokenError.accessMemberUnknown) { try read.check(member: testKey(9).publicKey.id) }
        #expect(throws: TokenError.accessKeyElsewhere) { try token(nil).narrowed(AccessNarrowing(issuedAt: 1)) }
    }

    @Test("limits are said as people type and read them")
    func limitTexts() {
        let texts = AccessLimits([
            .cpu: 2500, .memory: 32 << 30, .wall: 14_400, .gpu: 2, .network: 1, .keep: 86_400, .output: 3 << 40,
            .disk: 1000,
        ]).named.map { $0.limit.text($0.value) }
        #expect(
            texts == [
                "2.500 CPUs", "32 GiB", "1000 B", "4h", "3 TiB", "2 GPUs", "network setup-only", "24h",
            ])
        #expect(AccessLimit.wall.text(5400) == "1h30m" && AccessLimit.memory.text(32 << 30, isShort: true) == "32G")
    }
}
