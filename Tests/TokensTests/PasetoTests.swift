import Codec
import Testing

@testable import Tokens

@Suite struct PasetoTests {
    static let vectors = "paseto/v4.json"

    @Test(
        "tokens agree with the PASETO v4.public vectors, and all others are refused",
        .enabled(if: Vectors.exist(vectors), "the PASETO vectors are not here: set SWARMLET_VECTORS"))
    func published() throws {
        let tests = try #require(Vectors.json(PasetoTests.vectors)["tests"]?.arrayValue)
        var signed = 0
        for vector in tests {
            let name = try #require(vector["name"]?.stringValue)
            let token = try #require(vector["token"]?.stringValue)
            let footer = Array(try #require(vector["footer"]?.stringValue).utf8)
            let implicit = Array(try #require(vector["implicit-assertion"]?.stringValue).utf8)
            let keyText = vector["public-key"]?.stringValue
            let key = try keyText.map { try PublicKey(bytes: #require(Hex.decode($0))) } ?? testKey(1).publicKey
            guard name.hasPrefix("4-S-") else {
                let error = tokenError { () throws(TokenError) in
                    try Paseto.verify(token, implicit: implicit, with: key)
                }
                #expect(error != nil, "\(name)")
                continue
            }
            let payload = Array(try #require(vector["payload"]?.stringValue).utf8)
            let seed = try #require(Hex.decode(vector["secret-key-seed"]?.stringValue ?? "-"))
            let signingKey = SigningKey(seed: seed)
            #expect(signingKey.publicKey == key)
            #expect(Paseto.sign(payload, footer: footer, implicit: implicit, with: signingKey) == token)
            let message = try Paseto.verify(token, implicit: implicit, with: key)
            #expect(message.payload == payload && message.footer == footer)
            signed += 1
        }
        #expect(signed == 3 && tests.count == 17)
    }

    let key = testKey(1)
    var token: String {
        Paseto.sign(Array("{}".utf8), footer: KeyFooter.encode(key.publicKey.id), implicit: [7], with: key)
    }

    func codeOfVerifying(_ token: String, implicit: [UInt8] = [7], key: PublicKey? = nil) -> String? {
        tokenError { () throws(TokenError) in
            try Paseto.verify(token, implicit: implicit, with: key ?? self.key.publicKey)
        }?.code
    }

    @Test("every single altered character makes a token void")
    func flipped() {
        let characters = Array(token.utf8)
        for index in characters.indices {
            var altered = characters
            altered[index] = altered[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            #expect(codeOfVerifying(String(decoding: altered, as: UTF8.self)) != nil, "character \(index)")
        }
    }

    @Test("another key or another purpose makes a token void")
    func purpose() {
        #expect(codeOfVerifying(token) == nil)
        #expect(codeOfVerifying(token, implicit: []) == "tokens.signature_invalid")
        #expect(codeOfVerifying(token, key: testKey(2).publicKey) == "tokens.signature_invalid")
    }

    @Test("texts of another form are refused before any signature is checked")
    func form() throws {
        let parts = token.split(separator: ".").map(String.init)
        for text in [
            "", "v4.public", "v4.public.", "v4.local." + parts[2], "v3.public." + parts[2], "V4.public." + parts[2],
            "v2.public." + parts[2], token + ".", token + "." + parts[3], token + "=", " " + token, token + "\n",
            "v4.public." + parts[2] + ".", "v4.public.." + parts[3], "v4.public.AAAA",
            "eyJhbGciOiJub25lIn0.e30.", "v4.public." + String(repeating: "A", count: 9000),
        ] {
            #expect(codeOfVerifying(text) == "tokens.malformed", "\(text.prefix(40))")
        }
        // Without its footer the text has the right form, but is not what was signed.
        #expect(codeOfVerifying("v4.public." + parts[2]) == "tokens.signature_invalid")
    }

    @Test("the footer names a key in exactly one way")
    func footer() throws {
        let id = key.publicKey.id
        #expect(try KeyFooter.decode(Paseto.unverifiedFooter(token)) == id)
        for text in [
            "", "{}", "{\"kid\":\"\(id.text)\"} ", "{ \"kid\":\"\(id.text)\"}", "{\"kid\":\"\(id.text.dropLast())=\"}",
            "{\"kid\":\"k4.lid.\(id.text.dropFirst(7))\"}", "{\"kid\":\"\(id.text)\",\"a\":1}",
            "{\"key\":\"\(id.text)\"}",
        ] {
            let error = tokenError { () throws(TokenError) in try KeyFooter.decode(Array(text.utf8)) }
            #expect(error?.code == "tokens.malformed", "\(text)")
        }
    }

    @Test("a payload holds exactly its claims: no duplicates, no unknown ones, no fractions, bounded")
    func claims() throws {
        func error(_ text: String) -> String? {
            tokenError { () throws(TokenError) in
                let claims = try Claims(Array(text.utf8), type: "t", known: ["n", "s", "e"])
                _ = try claims.integer("n", in: 0...10)
            }?.code
        }
        #expect(error(#"{"typ":"t","n":1}"#) == nil)
        for text in [
            #"{"typ":"t","n":1,"n":2}"#, #"{"typ":"t","n":1,"\u006e":2}"#, #"{"typ":"u","n":1}"#, #"{"n":1}"#,
            #"{"typ":"t","n":1,"x":2}"#, #"{"typ":"t","n":1.0}"#, #"{"typ":"t","n":1e0}"#, #"{"typ":"t","n":"1"}"#,
            #"{"typ":"t","n":11}"#, #"{"typ":"t","n":-1}"#, #"{"typ":"t","n":9223372036854775808}"#,
            #"["typ","t"]"#, #"{"typ":"t","n":1} "# + "x", #"{"typ":"t","n":1,"s":[[[[[1]]]]]}"#, "",
            #"{"typ":"t","n":1,"s":""# + String(repeating: "a", count: 4096) + #""}"#,
        ] {
            #expect(error(text) == "tokens.malformed", "\(text.prefix(60))")
        }
    }

    @Test("times have one spelling")
    func times() throws {
        #expect(try TokenTime.parse("2026-11-21T14:30:00Z") == 1_795_271_400)
        for text in [
            "2026-11-21T14:30:00+00:00", "2026-11-21T14:30:00.0Z", "2026-11-21t14:30:00z", "2026-11-21T14:30:60Z",
            "now",
            "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z",
        ] {
            #expect(tokenError { () throws(TokenError) in try TokenTime.parse(text) }?.code == "tokens.malformed")
        }
    }
}
