import Codec
import Testing

@testable import Tokens

@Suite struct SignedNoteTests {
    let checkpoint = AuditCheckpoint(origin: "lab.example/audit", size: 42, root: MerkleHash.leaf([1]))
    let keeper = testKey(1)
    let witness = testKey(2)
    let stranger = testKey(3)

    var note: SignedNote {
        var note = SignedNote(text: checkpoint.text)
        note.sign(name: checkpoint.origin, with: keeper)
        note.cosign(name: "lab.example/owl", with: witness, time: 1_795_000_000)
        return note
    }

    @Test("the example in the documentation of golang.org/x/mod/sumdb/note is read and its signature fits")
    func published() throws {
        let text = """
            If you think cryptography is the answer to your problem,
            then you don't know what your problem is.

            \u{2014} PeterNeumann \
            x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=

            """
        // Type and key, as its verifier key "PeterNeumann+c74f20a3+ARpc2Qc..." spells them.
        let bytes = try Base64.decode(Array("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".utf8))
        let key = try PublicKey(bytes: Array(bytes.dropFirst()))
        let note = try SignedNote(note: text)
        #expect(note.isSigned(by: "PeterNeumann", key))
        #expect(!note.isSigned(by: "PeterNeumann", keeper.publicKey))
        #expect(note.note == text)
    }

    @Test("a checkpoint is the three lines that C2SP writes, and nothing else is read as one")
    func checkpointText() throws {
        #expect(try AuditCheckpoint(text: checkpoint.text) == checkpoint)
        let lines = checkpoint.text.split(separator: "\n")
        for text in [
            "", "\n", String(checkpoint.text.dropLast()), checkpoint.text + "\n", checkpoint.text + "more\n",
            "\(lines[0])\n042\n\(lines[2])\n", "\(lines[0])\n+42\n\(lines[2])\n", "\(lines[0])\n-1\n\(lines[2])\n",
            "\n42\n\(lines[2])\n", "\(lines[0])\n42\n\(lines[2].dropLast())\n", "\(lines[0])\n42\n\n",
            "\(lines[0])\n99999999999999999999\n\(lines[2])\n",
        ] {
            #expect(throws: TokenError.self, "\(text)") { try AuditCheckpoint(text: text) }
        }
    }

    @Test("keeper and witness are told apart, by name, key and kind")
    func signers() {
        #expect(note.isSigned(by: checkpoint.origin, keeper.publicKey))
        #expect(note.cosigned(by: "lab.example/owl", witness.publicKey) == 1_795_000_000)
        #expect(!note.isSigned(by: "lab.example/owl", witness.publicKey))
        #expect(note.cosigned(by: checkpoint.origin, keeper.publicKey) == nil)
        #expect(!note.isSigned(by: checkpoint.origin, stranger.publicKey))
        #expect(note.cosigned(by: "lab.example/newt", witness.publicKey) == nil)
    }

    @Test("a note survives being written down, and no single altered byte of it is taken")
    func altered() throws {
        let bytes = Array(note.note.utf8)
        let read = try SignedNote(note: note.note)
        #expect(read == note && read.text == checkpoint.text)
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 1
            guard let text = String(validating: other, as: UTF8.self) else { continue }
            let altered: SignedNote
            do { altered = try SignedNote(note: text) } catch { continue }
            #expect(
                !altered.isSigned(by: checkpoint.origin, keeper.publicKey)
                    || altered.cosigned(by: "lab.example/owl", witness.publicKey) == nil, "byte \(index)")
        }
    }

    @Test("what is no note is refused with a reason")
    func malformed() {
        let note = note.note
        for text in [
            "", "\n", "\n\n", "text\n", "text\n\n\u{2014} name\n", "text\n\n\u{2014} name AAAA=\n",
            "text\n\n- name AAAAAAAA\n",
            "text\n\n\u{2014}  AAAAAAAA\n", String(note.dropLast()), note + "\u{2014} x AAAA\n",
            "a\n\n" + String(repeating: "\u{2014} a AAAAAAAA\n", count: 65),
            String(repeating: "a", count: 16 << 10) + "\n\n",
        ] {
            #expect(throws: TokenError.self, "\(text.prefix(60))") { try SignedNote(note: text) }
        }
    }

    @Test("what a key signs for a purpose of ours is never a note's text")
    func domains() {
        var note = SignedNote(text: checkpoint.text)
        note.sign(name: checkpoint.origin, with: keeper)
        #expect(!keeper.publicKey.verify(note.signatures[0].bytes, purpose: checkpoint.text, []))
        #expect(PreAuthentication.encode([Array(checkpoint.text.utf8)]).prefix(8) == [1, 0, 0, 0, 0, 0, 0, 0])
    }
}
