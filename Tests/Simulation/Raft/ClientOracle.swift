import Codec

/// Judges each answer to a client as it arrives: invariant (16), with the rules of openraft's client oracle.
///
/// `Linearizability` judges the whole history at the end; this says at once, and more plainly, what is wrong.
struct ClientOracle {
    /// What one client knows of one key.
    private struct Knowledge {
        var version: UInt64 = 0
    }

    private struct Request: Hashable {
        var client: Int
        var serial: UInt64
    }

    private struct Link: Hashable {
        var key: Int
        var previousVersion: UInt64
    }

    private var knowledge: [[Knowledge]]
    /// The newest acknowledged write of each key.
    private(set) var acknowledged: [UInt64]
    /// Who wrote a value, as the key.
    private var keyOfValue: [UInt64: Int] = [:]
    private var placeOf: [Request: UInt64] = [:]
    private var successor: [Link: UInt64] = [:]

    init(clients: Int, keys: Int) {
        knowledge = Array(repeating: Array(repeating: Knowledge(), count: keys), count: clients)
        acknowledged = Array(repeating: 0, count: keys)
    }

    /// A client asks for something; what comes back must be at least as new as this.
    mutating func called(_ action: ClientOperation.Action, key: Int) -> UInt64 {
        switch action {
        case .get: break
        case .put(let value), .swap(_, let value): keyOfValue[value] = key
        }
        return acknowledged[key]
    }

    /// The rule that an answer breaks, with what was seen; nil where it is in order. `floor` is what `called` returned.
    mutating func answered(
        client: Int, serial: UInt64, key: Int, _ reply: SimulatedReply, floor: UInt64
    ) -> (rule: String, detail: String)? {
        let who = "client \(client), request \(serial), key \(key)"
        if case .seen(let value) = reply.answer, value != 0, keyOfValue[value] != key {
            return ("no value is seen that nobody wrote to the key", "\(who) sees \(value)")
        }
        guard (reply.version == 0) == (reply.answer == .seen(0)) else {
            return ("a value has a version", "\(who): \(reply)")
        }
        guard reply.version >= floor else {
            return (
                "what was acknowledged before a request is seen by it",
                "\(who) sees version \(reply.version) after \(floor)"
            )
        }
        // Covers reads of one's own writes, which were known when they were acknowledged.
        guard reply.version >= knowledge[client][key].version else {
            return (
                "what a client has seen does not go back",
                "\(who) sees version \(reply.version) after \(knowledge[client][key].version)"
            )
        }
        knowledge[client][key].version = reply.version
        guard reply.answer == .put || reply.answer == .swapped else { return nil }
        return written(Request(client: client, serial: serial), key, reply)
    }

    private mutating func written(
        _ request: Request, _ key: Int, _ reply: SimulatedReply
    ) -> (rule: String, detail: String)? {
        let who = "client \(request.client), request \(request.serial), key \(key)"
        if let place = placeOf[request], place != reply.index {
            return ("a request has one place in the log", "\(who) is at \(place) and \(reply.index)")
        }
        placeOf[request] = reply.index
        let link = Link(key: key, previousVersion: reply.previousVersion)
        if let other = successor[link], other != reply.version {
            return (
                "each version of a key has one successor",
                "\(who): \(other) and \(reply.version) follow \(reply.previousVersion)"
            )
        }
        successor[link] = reply.version
        acknowledged[key] = max(acknowledged[key], reply.version)
        return nil
    }

    /// What was acknowledged is still there at the end.
    func lost(from cells: [RaftStateMachine.Cell]) -> (rule: String, detail: String)? {
        for key in cells.indices where cells[key].version < acknowledged[key] {
            return (
                "what was acknowledged is there at the end",
                "key \(key) has version \(cells[key].version), and \(acknowledged[key]) was acknowledged"
            )
        }
        return nil
    }
}
