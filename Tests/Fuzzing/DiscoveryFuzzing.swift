@testable import Mesh

/// Messages of multicast DNS, from whoever is on the network.
enum DiscoveryFuzzing {
    static func message(_ bytes: [UInt8]) -> String? {
        if let id = MeshAnnouncement.question(in: bytes),
            MeshAnnouncement.question(in: MeshAnnouncement.question(id: id)) != id
        {
            return "a question does not survive being written"
        }
        guard let message = DNSMessage(decoding: bytes) else { return nil }
        if let said = MeshAnnouncement(answer: bytes, to: message.id), let answer = said.answer(to: message.id),
            MeshAnnouncement(answer: answer, to: message.id) != said
        {
            return "an announcement does not survive being written"
        }
        let written = message.encoded
        guard written.count <= DNSMessage.bytesMax else { return nil }
        return DNSMessage(decoding: written) == message ? nil : "a message has two meanings"
    }
}
