import Codec
import Foundation
import Testing

@testable import Tokens

@Suite struct KeyTests {
    @Test("the installed libsodium passes the questions with known answers")
    func start() throws { try Sodium.start() }

    @Test("a signature fits its message, its key and its purpose, and nothing else")
    func signatures() {
        let key = testKey(1)
        let signature = key.sign(purpose: "swarmlet/test/1", [[1], [2, 3]])
        #expect(key.publicKey.verify(signature, purpose: "swarmlet/test/1", [[1], [2, 3]]))
        #expect(!key.publicKey.verify(signature, purpose: "swarmlet/test/2", [[1], [2, 3]]))
        #expect(!key.publicKey.verify(signature, purpose: "swarmlet/test/1", [[1, 2], [3]]))
        #expect(!key.publicKey.verify(signature, purpose: "swarmlet/test/1", [[1], [2, 3], []]))
        #expect(!testKey(2).publicKey.verify(signature, purpose: "swarmlet/test/1", [[1], [2, 3]]))
        #expect(!key.publicKey.verify(Array(signature.dropLast()), purpose: "swarmlet/test/1", [[1], [2, 3]]))
        #expect(!key.publicKey.verify([], of: []))
    }

    @Test("new keys differ, and so do random bytes")
    func random() {
        #expect(SigningKey.generate().publicKey != SigningKey.generate().publicKey)
        #expect(SecureRandom.bytes(32) != SecureRandom.bytes(32))
        #expect(SecureRandom.bytes(0).isEmpty)
    }

    static let wycheproof = "wycheproof/ed25519_test.json"

    @Test(
        "signatures are accepted and refused as the Wycheproof vectors say",
        .enabled(if: Vectors.exist(wycheproof), "the Wycheproof vectors are not here: set SWARMLET_VECTORS"))
    func wycheproofVectors() throws {
        let groups = try #require(Vectors.json(KeyTests.wycheproof)["testGroups"]?.arrayValue)
        var count = 0
        for group in groups {
            let bytes = try #require(Hex.decode(group["publicKey"]?["pk"]?.stringValue ?? "-"))
            for vector in try #require(group["tests"]?.arrayValue) {
                let message = try #require(Hex.decode(vector["msg"]?.stringValue ?? "-"))
                let signature = try #require(Hex.decode(vector["sig"]?.stringValue ?? "-"))
                let accepted: Bool
                do { accepted = try PublicKey(bytes: bytes).verify(signature, of: message) } catch { accepted = false }
                #expect(accepted == (vector["result"] == "valid"), "\(vector["tcId"]?.integerValue ?? 0)")
                count += 1
            }
        }
        #expect(count == 151)
    }

    @Test("keys of small order, of mixed order, off the curve and of other lengths are refused")
    func invalidKeys() {
        var negativeOne = [UInt8](repeating: 0xFF, count: 32)
        (negativeOne[0], negativeOne[31]) = (0xEC, 0x7F)
        for bytes in [
            [UInt8](repeating: 0, count: 32), [1] + [UInt8](repeating: 0, count: 31), negativeOne,
            [0x95] + [UInt8](repeating: 0x99, count: 31), [2] + [UInt8](repeating: 0, count: 31),
            [UInt8](repeating: 0xFF, count: 32), [], [UInt8](repeating: 0x66, count: 33),
            Array(testKey(1).publicKey.bytes.dropLast()),
        ] {
            #expect(tokenError { () throws(TokenError) in try PublicKey(bytes: bytes) } == .keyInvalid)
        }
        #expect(throws: CodecError.self) { try PublicKey(cbor: .bytes([1])) }
    }

    @Test(
        "key ids agree with the PASERK vectors",
        .enabled(
            if: Vectors.exist("paseto/paserk/k4.pid.json"), "the PASERK vectors are not here: set SWARMLET_VECTORS"))
    func paserkIDs() throws {
        var count = 0
        for vector in try #require(Vectors.json("paseto/paserk/k4.pid.json")["tests"]?.arrayValue) {
            guard vector["expect-fail"] == false else { continue }
            let id = KeyID(ofPublicKey: try #require(Hex.decode(vector["key"]?.stringValue ?? "-")))
            #expect(id.text == vector["paserk"]?.stringValue)
            #expect(try KeyID(text: id.text) == id)
            count += 1
        }
        #expect(count == 3)
    }

    @Test(
        "public keys as text agree with the PASERK vectors",
        .enabled(if: Vectors.exist("paseto/paserk/k4.public.json"), "the PASERK vectors are not here"))
    func paserkPublic() throws {
        for vector in try #require(Vectors.json("paseto/paserk/k4.public.json")["tests"]?.arrayValue) {
            guard vector["expect-fail"] == false, let text = vector["paserk"]?.stringValue else { continue }
            let bytes = try #require(Hex.decode(vector["key"]?.stringValue ?? "-"))
            #expect(PublicKey(trusted: bytes).text == text)
        }
        let key = testKey(3).publicKey
        #expect(try PublicKey(text: key.text) == key)
        for text in ["", "k4.public.", "k4.secret.AAAA", key.text + "A", "K4" + key.text.dropFirst(2)] {
            #expect(tokenError { () throws(TokenError) in try PublicKey(text: text) } == .keyInvalid)
        }
    }

    @Test("the short name is the first eight characters after k4.pid.")
    func shortName() throws {
        let id = testKey(1).publicKey.id
        #expect(id.text.hasPrefix("k4.pid." + id.short))
        #expect(id.short.utf8.count == 8)
        for text in ["", id.short, "k4.pid.", "k4.lid." + id.text.dropFirst(7), String(id.text.dropLast())] {
            #expect(tokenError { () throws(TokenError) in try KeyID(text: text) }?.code == "tokens.malformed")
        }
    }
}
