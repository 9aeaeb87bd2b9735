import Codec
import Testing

@testable import Tokens

@Suite struct LockedKeyTests {
    let key = testKey(7)
    let passphrase = Array("correct horse".utf8)
    /// Argon2id's least, so that a thousand guesses take no time.
    var line: String { LockedKey.lock(key, passphrase: passphrase, memory: 8192, passes: 1) }

    @Test("a locked key opens with its passphrase, and each line is another")
    func opens() throws {
        let line = line
        #expect(try LockedKey.unlock(line, passphrase: passphrase).publicKey == key.publicKey)
        #expect(line != self.line && LockedKey.isOne(line))
        #expect(try LockedKey.unlock(LockedKey.lock(key, passphrase: [1]), passphrase: [1]).publicKey == key.publicKey)
    }

    @Test("another passphrase, or none, does not open it")
    func wrongPassphrase() {
        for other in ["", "correct hors", "correct horse ", "Correct horse"] {
            let error = tokenError { () throws(TokenError) in
                try LockedKey.unlock(line, passphrase: Array(other.utf8))
            }
            #expect(error != nil, "\(other)")
        }
    }

    @Test("no altered character of it opens, and a line cannot ask for more memory than a host has")
    func altered() {
        let characters = Array(line.utf8)
        for index in characters.indices {
            var other = characters
            other[index] = other[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            let error = tokenError { () throws(TokenError) in
                try LockedKey.unlock(String(decoding: other, as: UTF8.self), passphrase: passphrase)
            }
            #expect(error != nil, "character \(index)")
        }
        for text in ["", "k4.secret-pw.", "k4.secret-pw.AAAA", "k4.secret.AAAA", String(line.dropLast(4))] {
            let error = tokenError { () throws(TokenError) in try LockedKey.unlock(text, passphrase: passphrase) }
            #expect(error?.code == "tokens.malformed", "\(text)")
        }
    }
}
