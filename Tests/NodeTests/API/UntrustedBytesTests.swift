import Codec
import Testing

@testable import Node

/// What a stranger sends is taken or refused, never anything else. Seeded, so that a failure can be repeated.
@Suite("Bytes of strangers")
struct UntrustedBytesTests {
    private static let rounds = 300

    private func decodes<Message: CBORCodable>(_ type: Message.Type, _ bytes: [UInt8]) -> Bool {
        do {
            _ = try Message(encoded: bytes)
            return true
        } catch {
            return false
        }
    }

    private func attempt<Message: CBORCodable>(_ examples: [Message], seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<Self.rounds {
            let noise = (0..<Int.random(in: 0..<200, using: &generator)).map { _ in
                UInt8.random(in: .min ... .max, using: &generator)
            }
            _ = decodes(Message.self, noise)
            // Noise is seldom CBOR at all: a true message with a few wrong bytes gets further.
            guard let whole = examples.randomElement(using: &generator)?.encoded() else { continue }
            #expect(!decodes(Message.self, Array(whole.prefix(Int.random(in: 0..<whole.count, using: &generator)))))
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
            }
            _ = decodes(Message.self, bytes)
            _ = decodes(Message.self, Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator))))
        }
    }

    @Test("a request or a reply of noise, of a flawed message or of a part of one is no more than refused")
    func callers() {
        attempt(APIExamples.requests, seed: 1)
        attempt(APIExamples.replies, seed: 2)
    }

    @Test("so is a message of a member")
    func members() { attempt(APIExamples.nodeMessages, seed: 3) }

    @Test("so is what somebody says at a first contact")
    func firstContact() throws {
        attempt([try APIExamples.admissionRequest()], seed: 4)
        attempt(try APIExamples.admissionReplies(), seed: 5)
        attempt([try APIExamples.credentials()], seed: 6)
    }
}
