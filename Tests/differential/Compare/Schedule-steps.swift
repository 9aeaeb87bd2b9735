import Codec
import Simulation

/// What a random step does.
extension Schedule {
    func step() throws(ComparisonError) {
        switch generator.pick(0...99) {
        case 0..<28: try propose()
        case 28..<46: try elect()
        case 46..<56: try beat()
        case 56..<67: try cutLinks()
        case 67..<74: try heal()
        case 74..<79: try checkQuorum()
        case 79..<84: try transfer()
        case 84..<88: try restart()
        case 88..<93 where !isMixed: try changeMembership()
        case 93..<96 where !isMixed: try compact()
        case 96... where !isMixed: try read()
        default: try propose()
        }
        try settle()
        // Where one node is all voters, etcd's leader neither sends its first entry nor asks anyone before a read, until its
        // next heartbeat; learners then know less than those of ours.
        if leaders.contains(where: { $0.voters.count == 1 }) { try beatLeaders(1) }
    }

    private func someone() -> Facts { generator.pick(from: facts) }

    private func someLeader() -> Facts? { leaders.isEmpty ? nil : generator.pick(from: leaders) }

    private func propose() throws(ComparisonError) {
        let target = generator.chance(9, in: 10) ? someLeader() ?? someone() : someone()
        count("proposals")
        for _ in 0..<generator.pick(1...3) { try both(.propose(command()), target.id) }
    }

    /// Time passes without a leader for some, and one or two of them ask for votes.
    private func elect() throws(ComparisonError) {
        // A node that has just started knows less of what is committed, and so might not know that it votes no more.
        let newest = facts.max { $0.commit < $1.commit }
        let candidates = facts.filter { node in
            node.role != "leader" && (!restarted.contains(node.id) || newest?.voters.contains(node.id) == true)
        }
        guard !candidates.isEmpty else { return }
        count("elections")
        let first = generator.pick(from: candidates)
        for other in candidates where other.id != first.id && generator.chance(7, in: 10) {
            try both(.expire, other.id)
        }
        try both(.campaign, first.id)
        guard generator.chance(1, in: 6) else { return }
        let second = generator.pick(from: candidates)
        if second.id != first.id { try both(.campaign, second.id) }
    }

    private func beat() throws(ComparisonError) {
        for leader in leaders { try both(.beat, leader.id) }
    }

    private func cutLinks() throws(ComparisonError) {
        let ids = facts.map(\.id)
        guard ids.count > 1 else { return }
        count("partitions")
        var links: Set<Mesh.Link> = []
        switch generator.pick(0...3) {
        case 0, 1:
            let side = generator.choose(generator.pick(1...(ids.count - 1)), of: ids)
            for from in ids {
                for to in ids where side.contains(from) != side.contains(to) {
                    links.insert(Mesh.Link(from: from, to: to))
                }
            }
        case 2:
            let id = generator.pick(from: ids)
            let isDeaf = generator.chance(1, in: 2)
            for other in ids where other != id {
                links.insert(isDeaf ? Mesh.Link(from: other, to: id) : Mesh.Link(from: id, to: other))
            }
        default:
            for from in ids {
                for to in ids where from != to && generator.chance(1, in: 4) {
                    links.insert(Mesh.Link(from: from, to: to))
                }
            }
        }
        tell("cut \(links.map { "\($0.from)>\($0.to)" }.sorted())")
        try change(links)
    }

    private func heal() throws(ComparisonError) {
        tell("heal")
        try change([])
    }

    /// Other links are cut than before. Leaders find out by three heartbeats whom they reach, sometimes after an election:
    /// how soon a message that was lost is sent again is not the same in both.
    private func change(_ links: Set<Mesh.Link>) throws(ComparisonError) {
        var links = links
        if facts.contains(where: { $0.voters.count == 1 }) {
            links.formUnion(links.map { Mesh.Link(from: $0.to, to: $0.from) })
        }
        try deposeFirst(links)
        setCut(links)
        muteDeafLeaders()
        if generator.chance(1, in: 3) { try elect() }
        try settle()
        try beatLeaders(3)
    }

    /// Whom a leader has not heard for an election timeout gets its next entries from ours along with the first heartbeat,
    /// from etcd's after the answer to it. Where that heartbeat ends the leader's term, etcd's never sends them: those who
    /// are in a later term say so before the others are reached again.
    private func deposeFirst(_ links: Set<Mesh.Link>) throws(ComparisonError) {
        let before = ours.cut
        for leader in leaders where checkedTerms.contains(leader.term) {
            let later = facts.filter { $0.term > leader.term }.map(\.id)
            guard !later.isEmpty else { continue }
            let closed = before.filter { link in
                link.from == leader.id && !later.contains(link.to) || link.to == leader.id && !later.contains(link.from)
            }
            setCut(links.union(closed))
            try both(.beat, leader.id)
            try settle()
        }
    }

    /// An election timeout passes on a leader: it stays where a quorum answers.
    private func checkQuorum() throws(ComparisonError) {
        guard let leader = someLeader() else { return }
        count("quorum checks")
        try check(leader)
    }

    func check(_ leader: Facts) throws(ComparisonError) {
        checkedTerms.append(leader.term)
        muteDeafLeaders()
        try both(.beat, leader.id)
        try settle()
        for _ in 0..<2 {
            guard fact(leader.id)?.role == "leader" else { return }
            try both(.check, leader.id)
            try settle()
        }
        for peer in facts where peer.id != leader.id {
            let there = Mesh.Link(from: leader.id, to: peer.id)
            let back = Mesh.Link(from: peer.id, to: leader.id)
            // Ours sees this by itself; etcd's wants to be told.
            if !ours.cut.isDisjoint(with: [there, back]) { try both(.unreachable(peer.id), leader.id) }
        }
    }

    /// To a follower that has not answered for an election timeout, ours repeats its probe with every heartbeat, etcd's sends
    /// none: what such a leader cannot hear, it does not reach here either.
    private func muteDeafLeaders() {
        for leader in leaders where checkedTerms.contains(leader.term) {
            for link in ours.cut.sorted() where link.to == leader.id {
                setCut(ours.cut.union([Mesh.Link(from: link.to, to: link.from)]))
            }
        }
    }

    private func transfer() throws(ComparisonError) {
        guard let leader = someLeader() else { return }
        count("transfers")
        let target = someone()
        // Whoever is not a follower just then ignores it; ours is asked again with every heartbeat, etcd's is not.
        try both(.beat, leader.id)
        try settle()
        guard fact(leader.id)?.role == "leader" else { return }
        try both(.transfer(to: target.id), leader.id)
        try settle()
        // One that did not come about is given up after an election timeout.
        if let left = fact(leader.id), left.isTransferring { try check(left) }
    }

    private func restart() throws(ComparisonError) {
        count("restarts")
        let id = someone().id
        restarted.append(id)
        try both(.restart, id)
    }

    private func compact() throws(ComparisonError) {
        count("compactions")
        try both(.compact, someone().id)
    }

    private func read() throws(ComparisonError) {
        guard let leader = someLeader() else { return }
        count("reads")
        try both(.read(readNumber()), leader.id)
    }
}
