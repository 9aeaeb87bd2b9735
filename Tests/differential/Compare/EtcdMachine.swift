import Codec
import Raft

/// A node that runs etcd's raft, inside the Go program.
final class EtcdMachine: Machine {
    let id: NodeID
    private let process: EtcdProcess

    init(id: NodeID, voters: [NodeID], in process: EtcdProcess) throws(ComparisonError) {
        self.id = id
        self.process = process
        _ = try process.ask(["op": "start", "id": id.json, "voters": .array(voters.map(\.json))])
    }

    func perform(_ act: Act) throws(ComparisonError) -> (isAccepted: Bool, messages: [Envelope]) {
        let answer = try process.ask(request(act))
        return (answer["refused"]?.boolValue == false, try messages(answer))
    }

    private func request(_ act: Act) -> JSON {
        var members: [(key: String, value: JSON)] = [("id", id.json)]
        switch act {
        case .campaign: members.append(("op", "campaign"))
        case .expire: members.append(("op", "expire"))
        case .beat: members.append(("op", "beat"))
        case .check: members.append(("op", "check"))
        case .propose(let text): members += [("op", "propose"), ("data", .string(text))]
        case .read(let number): members += [("op", "read"), ("data", .string("\(number)"))]
        case .transfer(let target): members += [("op", "transfer"), ("target", target.json)]
        case .unreachable(let peer): members += [("op", "unreachable"), ("target", peer.json)]
        case .compact: members.append(("op", "compact"))
        case .restart: members.append(("op", "restart"))
        case .change(let change):
            let old = change.oldVoters + change.oldLearners
            members += [
                ("op", "change"), ("joint", .bool(change.changesVoters)),
                ("addVoters", list(change.voters.filter { !change.oldVoters.contains($0) })),
                ("addLearners", list(change.learners.filter { !change.oldLearners.contains($0) })),
                ("remove", list(old.filter { !change.voters.contains($0) && !change.learners.contains($0) })),
            ]
        }
        return .object(members)
    }

    private func list(_ nodes: [NodeID]) -> JSON { .array(nodes.map(\.json)) }

    func receive(_ envelope: Envelope) throws(ComparisonError) -> [Envelope] {
        switch envelope.message {
        case .ours(let message): return try receive(Translator.forEtcd(envelope, message))
        case .etcd(let message): return try messages(try process.ask(["op": "deliver", "message": message]))
        }
    }

    func told(of envelope: Envelope, arrived: Bool) throws(ComparisonError) -> [Envelope] {
        guard case .etcd(let message) = envelope.message, message["type"]?.integerValue == EtcdMessage.snapshot else {
            return []
        }
        let name: JSON = arrived ? "snapshotSent" : "snapshotLost"
        return try messages(try process.ask(["op": name, "id": id.json, "target": envelope.to.json]))
    }

    private func messages(_ answer: JSON) throws(ComparisonError) -> [Envelope] {
        var envelopes: [Envelope] = []
        for message in answer["messages"]?.arrayValue ?? [] {
            envelopes.append(
                Envelope(from: try message.node("from"), to: try message.node("to"), message: .etcd(message)))
        }
        return envelopes
    }

    func facts() throws(ComparisonError) -> Facts {
        guard let facts = try process.ask(["op": "facts", "id": id.json])["facts"] else {
            throw .unreadable("no facts")
        }
        let roles = [
            "StateFollower": "follower", "StatePreCandidate": "precandidate", "StateCandidate": "candidate",
            "StateLeader": "leader",
        ]
        var log: [Facts.Entry] = []
        for entry in facts["log"]?.arrayValue ?? [] {
            let kind = entry["kind"]?.stringValue ?? ""
            let content = kind == "command" ? entry["data"]?.stringValue ?? "" : kind == "empty" ? "" : kind
            log.append(Facts.Entry(term: try entry.number("term"), content: content))
        }
        var reads: [UInt64: UInt64] = [:]
        for read in facts["reads"]?.arrayValue ?? [] {
            reads[UInt64(read["id"]?.stringValue ?? "") ?? 0] = try read.number("index")
        }
        return Facts(
            id: id, role: roles[facts["role"]?.stringValue ?? ""] ?? "unknown", term: try facts.number("term"),
            vote: try facts.nodeIfAny("vote"), leader: try facts.nodeIfAny("leader"),
            commit: try facts.number("commit"),
            base: try facts.number("base"), log: log, voters: try facts.nodes("voters"),
            outgoing: try facts.nodes("outgoing"), learners: try facts.nodes("learners"),
            nextLearners: try facts.nodes("nextLearners"), isTransferring: try facts.number("transfer") != 0,
            reads: reads)
    }
}

extension NodeID {
    var json: JSON { .integer(Int64(rawValue)) }
}

extension JSON {
    func number(_ key: String) throws(ComparisonError) -> UInt64 {
        guard let value = self[key]?.integerValue, value >= 0 else { throw .unreadable("no \(key) in \(text)") }
        return UInt64(value)
    }

    func node(_ key: String) throws(ComparisonError) -> NodeID { NodeID(try number(key)) }

    func nodeIfAny(_ key: String) throws(ComparisonError) -> NodeID? {
        let number = try number(key)
        return number == 0 ? nil : NodeID(number)
    }

    func nodes(_ key: String) throws(ComparisonError) -> [NodeID] {
        (self[key]?.arrayValue ?? []).compactMap(\.integerValue).map { NodeID(UInt64($0)) }
    }
}
