import Codec
import Mesh
import Scheduler
import Tokens

// What somebody should look at: said in the log of this host, and among the events of the members.
extension MeshNode {
    private static let invitationPause = Interval.seconds(60)
    private static let twinPause = Interval.seconds(3_600)

    private func alarm(_ text: String, about member: NodeID, subject: String, pause: Interval) {
        guard let passedOver = alarms.raise(subject, pause: pause, now: loop.now) else { return }
        let text = passedOver > 0 ? "\(text); so it was \(passedOver) times more since this was last said" : text
        log.warning(text)
        driver.input(.alarm(member, text))
    }

    /// Two have the same invitation: one of them should not.
    func invitationReused(_ jti: String, by key: Bytes, _ name: String, _ from: String?) {
        guard let record = state.invitation(jti) else { return }
        let first = record.admitted.map { "\($0.name) at \(RFC3339.format($0.at))" }
        alarm(
            "invitation \(JoinToken.shortID(jti)) of \(record.issuer) was used again: "
                + "\(first.joined(separator: ", ")) came first, then \(MeshNode.plain(name)) with key "
                + "\(MeshNode.shortID(key)) from \(from ?? "-"), which was refused",
            about: record.admitted.last?.node ?? id, subject: "invitation \(jti)", pause: MeshNode.invitationPause)
    }

    private static func shortID(_ key: Bytes) -> String {
        do { return try PublicKey(bytes: key.array).id.short } catch { return "-" }
    }

    /// What a stranger calls itself, without what a terminal could take for more than text.
    private static func plain(_ name: String) -> String {
        String(decoding: name.utf8.map { (0x21...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    func heardTwice(_ member: NodeID, at addresses: [String]) {
        alarm(
            "two hosts use the key of \(views.nodeName(member)), at \(addresses.joined(separator: " and ")): "
                + "take one of them away, or give the true one another key there: swarmlet rotate node",
            about: member, subject: "twin \(member)", pause: MeshNode.twinPause)
    }

    func saidToBeTwice(by member: NodeID, _ reason: String) {
        alarm(
            "\(views.nodeName(member)) says of this host: \(reason). Take one of them away, or give the true one another "
                + "key there: swarmlet rotate node",
            about: id, subject: "twin \(id)", pause: MeshNode.twinPause)
    }

    /// Members pass on words of this node's key that it has not said: the other one is heard by others than this one.
    func spokenFor() {
        peers.twinSaid = (id, Peers.twinReason, loop.now)
        saidToBeTwice(by: id, "\(Peers.twinReason): what the other says comes by gossip")
    }

    /// Those who hear both say so in what they say of themselves; the one of the two whose sessions stay hears it there.
    func lookForOwnTwin(in facts: [UInt8], of member: NodeID) {
        guard let report = gossip.report(of: member), report.facts == facts, report.twins.contains(id) else { return }
        saidToBeTwice(by: member, Peers.twinReason)
    }

    /// Members whose key is used twice, with who says so and where they are, as far as this node knows.
    var twins: [(member: NodeID, seenBy: [NodeID], addresses: [String])] {
        let own = peers.twins
        var found = own.map { (member: $0.id, seenBy: [id], addresses: $0.addresses) }
        if let said = peers.recentTwinSaid { found.append((id, [said.by], [])) }
        for witness in state.members where witness.id != id && health[witness.id] == .alive {
            for member in gossip.report(of: witness.id)?.twins ?? [] {
                if let index = found.firstIndex(where: { $0.member == member }) {
                    if !found[index].seenBy.contains(witness.id) { found[index].seenBy.append(witness.id) }
                } else {
                    found.append((member, [witness.id], []))
                }
            }
        }
        return found
    }
}
