import Codec
import Mesh

// Gossip: what it wants sent, and what it comes to know.
extension NodeCore {
    /// Tells gossip who is a member, and from which level on everybody signs.
    mutating func gossipMembers(at now: Instant, into effects: inout [NodeEffect]) {
        let peers = state.members.map { SwimPeer(id: $0.id, key: $0.identityKey.array) }
        gossip(.members(peers), at: now, into: &effects)
        if state.level >= NodeConstants.signedGossipLevel { gossip(.signaturesKnown, at: now, into: &effects) }
    }

    /// Puts it among what members do.
    mutating func alarm(_ member: NodeID, _ text: String, at now: Instant, into effects: inout [NodeEffect]) {
        let version = swim.member(member)?.version ?? swim.version
        let event = MembershipEvent(instant: now, member: member, version: version, kind: .alarm(text))
        membership.add(event)
        effects.append(.membership(event))
    }

    mutating func gossip(_ input: SwimInput, at now: Instant, into effects: inout [NodeEffect]) {
        var swimEffects: [SwimEffect] = []
        let before = swim.overtaken
        swim.handle(input, at: now, into: &swimEffects)
        if swim.overtaken > before, ownWords.overtaken(at: now) { effects.append(.overtaken) }
        for effect in swimEffects {
            switch effect {
            case .send(let peer, let message, let path): effects.append(.gossip(peer, message, over: path))
            case .happened(let event):
                membership.add(event)
                effects.append(.membership(event))
            }
        }
    }
}
