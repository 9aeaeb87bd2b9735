import Codec
import Testing

@testable import Node

@Suite("Messages between callers, daemons and members")
struct MessageTests {
    private func survives<Message: CBORCodable & Hashable>(_ message: Message) throws {
        #expect(try Message(encoded: message.encoded()) == message)
    }

    /// Numbers that no example carries must be unknown, which also shows that every case has an example.
    private func refusesOthers<Message: CBORCodable>(than examples: [Message]) throws {
        var known: Set<UInt64> = []
        for example in examples { known.insert(try numberedContent(example.cbor).0) }
        for number in UInt64(0)..<64 where !known.contains(number) {
            do {
                _ = try Message(cbor: numbered(number))
                Issue.record("\(number) was taken")
            } catch {
                #expect(error.message.contains("not known"), "\(number): \(error.message)")
            }
        }
        #expect(throws: CodecError.self) { try Message(cbor: .array([.unsigned(1)])) }
        #expect(throws: CodecError.self) { try Message(cbor: .map(CBORMap())) }
    }

    @Test("every request survives its encoding", arguments: APIExamples.requests)
    func request(_ request: APIRequest) throws { try survives(request) }

    @Test("every reply survives its encoding", arguments: APIExamples.replies)
    func reply(_ reply: APIReply) throws { try survives(reply) }

    @Test("every event survives its encoding", arguments: APIExamples.events)
    func event(_ event: FollowEvent) throws { try survives(event) }

    @Test("every message between members survives its encoding", arguments: APIExamples.nodeMessages)
    func nodeMessage(_ message: NodeMessage) throws { try survives(message) }

    @Test("what is said at a first contact survives its encoding")
    func admission() throws {
        try survives(APIExamples.credentials())
        try survives(APIExamples.admissionRequest())
        for reply in try APIExamples.admissionReplies() { try survives(reply) }
    }

    @Test("a message of an unknown number is refused, not guessed")
    func unknownNumbers() throws {
        try refusesOthers(than: APIExamples.requests)
        try refusesOthers(than: APIExamples.replies)
        try refusesOthers(than: APIExamples.events)
        try refusesOthers(than: APIExamples.nodeMessages)
        try refusesOthers(than: APIExamples.admissionReplies())
    }
}
