import Codec
import Fuzzing
import Mesh
import Scheduler
import Tokens
import Testing

@testable import Node

/// What a stranger sends is taken or refused, never anything else. Seeded, so that a failure can be repeated;
/// `scripts/fuzz` goes on where these end.
@Suite("Bytes of strangers")
struct UntrustedBytesTests {
    @Test("a request or a reply of noise, of a flawed message or of a part of one is no more than refused")
    func callers() {
        #expect(Fuzzer.request.flaw(from: APIExamples.requests.map { $0.encoded() }, seed: 1) == nil)
        #expect(Fuzzer.reply.flaw(from: APIExamples.replies.map { $0.encoded() }, seed: 2) == nil)
    }

    @Test("so is a message of a member")
    func members() {
        let messages = APIExamples.nodeMessages.map { $0.encoded() }
        #expect(Fuzzer.message.flaw(from: messages, seed: 3) == nil)
        #expect(Fuzzer.cbor.flaw(from: messages, seed: 3) == nil)
    }

    @Test("so is what somebody says at a first contact")
    func firstContact() throws {
        let seeds =
            [[0] + (try APIExamples.admissionRequest().encoded()), [2] + (try APIExamples.credentials().encoded())]
            + (try APIExamples.admissionReplies().map { [1] + $0.encoded() })
        #expect(Fuzzer.admission.flaw(from: seeds, seed: 4) == nil)
    }

    @Test("so is what travels with a transfer")
    func transfers() {
        #expect(Fuzzer.transfer.flaw(from: APIExamples.transfers.map { $0.encoded() }, seed: 5) == nil)
    }

    @Test("a node that hears the damaged talk of another mesh goes on")
    func nodes() throws {
        let mesh = try CoreMesh()
        mesh.records = true
        for _ in 0..<2 { try mesh.admit() }
        mesh.propose(at: 2, .submit(APIExamples.spec))
        mesh.run(seconds: 5)
        let heard = mesh.heard(by: 1)
        #expect(heard.count > 100)
        let seeds = stride(from: 0, to: heard.count, by: 20).prefix(40).map { start in
            heard[start...].prefix(20).flatMap { [UInt8($0.sender.rawValue - 2), 5] + $0.message.encoded() }
        }
        #expect(Fuzzer.node.flaw(from: Array(seeds), rounds: 200, seed: 6) == nil)
        let report = MemberReport(
            role: .client, version: "0.1", capacity: Capacity(cpuMillis: 4_000, memoryBytes: 1 << 33),
            loadHundredths: 150, labels: [Label(name: "rack", value: "a")])
        #expect(Fuzzer.facts.flaw(from: [report.facts, SwimRumour.saved(mesh[1].swim.saved)], seed: 7) == nil)
    }
}
