import Codec
import Ring
import Testing

@testable import Mesh

@Suite("What members say to who asks for meshes")
struct MeshAnnouncementTests {
    private let lab = MeshAnnouncement(
        mesh: "lab", fingerprint: "k7qd-2mxp", node: "owl", addresses: ["192.168.1.11:7717", "[fd77::1]:7717"])

    @Test("an answer says what was announced, to the question that was asked, and nothing to another")
    func roundTrip() throws {
        let question = MeshAnnouncement.question(id: 77)
        #expect(MeshAnnouncement.question(in: question) == 77)
        let answer = try #require(lab.answer(to: 77))
        #expect(MeshAnnouncement(answer: answer, to: 77) == lab)
        #expect(MeshAnnouncement(answer: answer, to: 78) == nil)
        #expect(MeshAnnouncement.question(in: answer) == nil)
        #expect(MeshAnnouncement(answer: question, to: 77) == nil)
    }

    @Test("questions of others are none of ours")
    func otherQuestions() {
        for labels in [["_http", "_tcp", "local"], ["x", "_swarmlet", "_tcp", "local"], ["local"], []] {
            var message = DNSMessage(id: 1, isAnswer: false)
            message.questions = [DNSMessage.Question(name: DNSName(labels.map { Array($0.utf8) }), type: 12)]
            #expect(MeshAnnouncement.question(in: message.encoded) == nil)
        }
        var message = DNSMessage(id: 1, isAnswer: false)
        message.questions = [DNSMessage.Question(name: DNSName("_SwarmLet", "_tcp", "LOCAL"), type: 255)]
        #expect(MeshAnnouncement.question(in: message.encoded) == 1)
    }

    @Test("a name that leads to itself, or beyond the message, is none")
    func circles() {
        let header: [UInt8] = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        #expect(DNSMessage(decoding: header + [0xC0, 12, 0, 12, 0, 1]) == nil)
        #expect(DNSMessage(decoding: header + [1, 65, 0xC0, 12, 0, 12, 0, 1]) == nil)
        #expect(DNSMessage(decoding: header + [0xC0, 200, 0, 12, 0, 1]) == nil)
        #expect(DNSMessage(decoding: header + [63, 65]) == nil)
        let twice = header + [1, 65, 0, 0, 12, 0, 1]
        #expect(DNSMessage(decoding: twice)?.questions == [DNSMessage.Question(name: DNSName("A"), type: 12)])
        var compressed: [UInt8] = [0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0] + [1, 65, 0, 0, 12, 0, 1]
        compressed += [1, 66, 0xC0, 12, 0, 12, 0, 1]
        #expect(DNSMessage(decoding: compressed)?.questions.last?.name == DNSName("B", "A"))
    }

    @Test("texts that would not print, and names that do not fit, are not taken")
    func texts() throws {
        var bell = lab
        bell.mesh = "lab\u{7}"
        #expect(MeshAnnouncement(answer: try #require(bell.answer(to: 1)), to: 1) == nil)
        var long = lab
        long.node = String(repeating: "x", count: 64)
        #expect(long.answer(to: 1) == nil)
    }
}
