import Codec
import Testing

@testable import Tokens

/// Argon2id's least, so that a thousand guesses take no time.
let leastTerms = PassphraseKey.Terms(memory: 8192, passes: 1)

func passphrase(_ text: String) -> Passphrase {
    var bytes = Array(text.utf8)
    return Passphrase(wiping: &bytes)
}

@Suite struct LockedKeyTests {
    let key = testKey(7)
    let phrase: Passphrase

    init() throws {
        try Sodium.start()
        phrase = passphrase("correct horse")
    }

    var line: String { LockedKey.lock(key, passphrase: phrase, .init(memory: 8192, passes: 1)) }

    @Test("a locked key opens with its passphrase, and each line is another")
    func opens() throws {
        let line = line
        #expect(try LockedKey.unlock(line, passphrase: phrase).publicKey == key.publicKey)
        #expect(line != self.line && LockedKey.isOne(line))
        let short = passphrase("x")
        #expect(
            try LockedKey.unlock(LockedKey.lock(key, passphrase: short), passphrase: short).publicKey == key.publicKey)
    }

    @Test("another passphrase does not open it, and what was given as one is wiped")
    func wrongPassphrase() {
        for other in ["correct hors", "correct horse ", "Correct horse"] {
            var bytes = Array(other.utf8)
            let wrong = Passphrase(wiping: &bytes)
            #expect(bytes == [UInt8](repeating: 0, count: other.utf8.count))
            let error = tokenError { () throws(TokenError) in try LockedKey.unlock(line, passphrase: wrong) }
            #expect(error == .passphraseWrong, "\(other)")
        }
    }

    @Test("no altered character of it opens, and a line cannot ask for more memory than a host has")
    func altered() {
        let characters = Array(line.utf8)
        for index in characters.indices {
            var other = characters
            other[index] = other[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            let error = tokenError { () throws(TokenError) in
                try LockedKey.unlock(String(decoding: other, as: UTF8.self), passphrase: phrase)
            }
            #expect(error != nil, "character \(index)")
        }
        for text in ["", "k4.secret-pw.", "k4.secret-pw.AAAA", "k4.secret.AAAA", String(line.dropLast(4))] {
            let error = tokenError { () throws(TokenError) in try LockedKey.unlock(text, passphrase: phrase) }
            #expect(error?.code == "tokens.malformed", "\(text)")
        }
    }

    @Test("lines of one salt show neither that they hold the same key nor anything of it")
    func sameSalt() throws {
        let made = try #require(PassphraseKey(phrase, leastTerms))
        let lines = [LockedKey.lock(key, with: made), LockedKey.lock(key, with: made)]
        let bodies = try lines.map { try Base64URL.decode($0.utf8.dropFirst(13)) }
        #expect(bodies[0][..<32] == bodies[1][..<32], "salt and costs")
        #expect(zip(bodies[0], bodies[1]).dropFirst(32).count { $0 == $1 } < 16)
        for line in lines { #expect(try LockedKey.unlock(line, passphrase: phrase).publicKey == key.publicKey) }
    }
}
