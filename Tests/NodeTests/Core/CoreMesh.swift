import Codec
import Mesh
import Raft
import Scheduler
import Tokens

@testable import Node

/// Node cores joined by a perfect network and instant disks, all on one clock that jumps from deadline to deadline.
final class CoreMesh {
    private struct Envelope {
        var from: NodeID
        var to: NodeID
        var message: NodeMessage
        var isDatagram = false
    }

    static let meshKeyID = "k4.pid.lab"
    static let epoch: Int64 = 1_763_733_600_000_000_000  // 2025-11-21T14:00:00Z

    private(set) var cores: [NodeCore] = []
    private(set) var now = Instant.zero
    /// Nodes whose messages are lost, both ways.
    var isolated: Set<NodeID> = []
    /// Nodes of whose messages only datagrams pass, both ways.
    var withoutSessions: Set<NodeID> = []
    /// What each core asked of its shell, in order.
    private(set) var effects: [NodeID: [NodeEffect]] = [:]
    private(set) var answers: [RequestID: Answer] = [:]
    /// When a renewal of each node last reached somebody.
    private(set) var renewalHeard: [NodeID: Instant] = [:]
    /// Every set of voters that was ever in force at the first node.
    private(set) var voterSets: [[NodeID]] = []
    /// Whether what each node hears is kept.
    var records = false
    private var heard: [Envelope] = []
    private var queue: [Envelope] = []
    private var nextRequest: UInt64 = 0

    /// A mesh of one node, which has been founded.
    init(levels: ProtocolLevels = .current) throws {
        try add(1, restored: .founding(id: NodeID(1)), levels: levels)
        run(seconds: 5) { self[1].raft.isReadyLeader }
        var record = CoreMesh.record(1)
        record.levels = levels
        propose(
            at: 1, .found(meshName: "lab", meshKeyID: CoreMesh.meshKeyID, meshKey: CoreMesh.bytes(99), node: record))
        run(seconds: 5) { self[1].state.members.count == 1 }
    }

    /// Fits its statement, and costs nothing.
    static let seal = SwimSeal(
        sign: { Array($0.bytes.suffix(SwimConstants.signatureBytesMax)) },
        verify: { signature, statement, _ in signature == statement.bytes.suffix(SwimConstants.signatureBytesMax) })

    private static func bytes(_ number: UInt8) -> Bytes { Bytes([UInt8](repeating: number, count: 32)) }

    /// Of the identity of that node.
    static func signingKey(_ number: UInt8) -> SigningKey { SigningKey(seed: [UInt8](repeating: number, count: 32)) }

    static func record(_ number: UInt8, role: NodeRole = .auto, labels: [Label] = []) -> NodeRecord {
        NodeRecord(
            name: "n\(number)", identityKey: Bytes(signingKey(number).publicKey.bytes), noiseKey: bytes(number),
            role: role, labels: labels,
            capacity: Capacity(cpuMillis: 4_000, memoryBytes: 8 << 30))
    }

    subscript(_ number: Int) -> NodeCore { cores[number - 1] }

    private func add(_ number: UInt8, restored: RaftRestored, levels: ProtocolLevels = .current) throws {
        let id = NodeID(UInt64(number))
        cores.append(
            NodeCore(
                id: id, restored: restored, boot: UInt64(number), generation: UInt64(number), seal: CoreMesh.seal,
                now: now,
                levels: levels))
        handle(id, .adopted([]))
        handle(id, .wallClock(CoreMesh.epoch + now.nanoseconds))
    }

    /// Admits the next node and starts its core; the answer is its number.
    @discardableResult
    func admit(
        role: NodeRole = .auto, labels: [Label] = [], levels: ProtocolLevels = .current
    ) throws -> Int {
        let number = UInt8(cores.count + 1)
        var record = CoreMesh.record(number, role: role, labels: labels)
        record.levels = levels
        let request = propose(at: 1, .admit(record, invitation: nil))
        run(seconds: 5) { answers[request] != nil }
        try add(number, restored: .joining(), levels: levels)
        run(seconds: 10) { self[Int(number)].hasCaughtUp }
        return Int(number)
    }

    /// - Parameter role: of the person who asks at that node.
    @discardableResult
    func propose(at number: Int, _ command: Command, by role: PersonRole = .administrator) -> RequestID {
        nextRequest += 1
        let request = RequestID(high: 1 << 63, low: nextRequest)
        var command = command
        if case .submit(var spec) = command {
            spec.submitNode = cores[number - 1].id
            command = .submit(spec)
        }
        let asker = Asker(name: "ana", actor: "ana@n\(number)", role: role)
        let entry = Entry(request: request, time: 0, command: command)
            .asked(by: asker, key: CoreMesh.signingKey(UInt8(number)), mesh: CoreMesh.meshKeyID)
        handle(cores[number - 1].id, .propose(entry))
        return request
    }

    /// Reads of this node that were told they may go on.
    func readable(_ number: Int) -> [UInt64] {
        (effects[NodeID(UInt64(number))] ?? []).flatMap { effect -> [UInt64] in
            guard case .readable(let ids) = effect else { return [] }
            return ids
        }
    }

    /// What this node heard since `records` was set.
    func heard(by number: Int) -> [(sender: NodeID, message: NodeMessage)] {
        heard.filter { $0.to == cores[number - 1].id }.map { ($0.from, $0.message) }
    }

    func handle(_ id: NodeID, _ input: NodeInput) { handle(id, [input]) }

    func handle(_ id: NodeID, _ inputs: [NodeInput]) {
        guard let position = cores.firstIndex(where: { $0.id == id }) else { return }
        var made: [NodeEffect] = []
        cores[position].handle(inputs, at: now, into: &made)
        effects[id, default: []] += made
        var tokens: [UInt64] = []
        for effect in made {
            switch effect {
            case .persist(let persist): tokens.append(persist.token)
            case .send(let to, let message): queue.append(Envelope(from: id, to: to, message: message))
            case .sendByDatagram(let to, let message):
                queue.append(Envelope(from: id, to: to, message: message, isDatagram: true))
            case .gossip(let to, let message, _):
                queue.append(Envelope(from: id, to: to, message: .swim(message)))
            case .answered(let request, let answer): answers[request] = answer
            default: break
            }
        }
        let voters = cores[0].raft.membership.voters
        if voterSets.last != voters { voterSets.append(voters) }
        for token in tokens { handle(id, .persisted(token)) }
    }

    private func deliver() {
        var position = 0
        while position < queue.count {
            let envelope = queue[position]
            position += 1
            if isolated.contains(envelope.from) || isolated.contains(envelope.to) { continue }
            if !envelope.isDatagram, withoutSessions.contains(envelope.from) || withoutSessions.contains(envelope.to) {
                continue
            }
            if records { heard.append(envelope) }
            if case .renew = envelope.message { renewalHeard[envelope.from] = now }
            handle(envelope.to, .message(from: envelope.from, envelope.message))
        }
        queue = []
    }

    /// Lets time pass until something holds, at most this long; the answer is whether it does.
    @discardableResult
    func run(seconds: Int64, until isDone: () -> Bool = { false }) -> Bool {
        let end = now + .seconds(seconds)
        deliver()
        while !isDone() {
            let next = cores.compactMap { core in core.nextDeadline.map { ($0, core.id) } }
                .min { ($0.0, $0.1) < ($1.0, $1.1) }
            guard let (deadline, id) = next, deadline <= end else {
                now = end
                return isDone()
            }
            now = max(now, deadline)
            handle(id, .timer)
            deliver()
        }
        return true
    }

    func job(cpus: UInt64 = 1) -> JobSpec {
        JobSpec(
            name: "job", command: ["true"], user: "ana",
            resources: Resources(cpuMillis: cpus * 1_000, memoryBytes: 1 << 30), submitNode: NodeID(1))
    }

    /// Where the attempts were started, in the order of nodes.
    func started(_ key: AttemptKey) -> [NodeID] {
        cores.map(\.id).filter { id in
            (effects[id] ?? []).contains {
                if case .start(key) = $0 { return true }
                return false
            }
        }
    }

    func report(_ number: Int, _ key: AttemptKey, _ kind: AttemptReportKind) {
        let id = cores[number - 1].id
        handle(id, .attempt(AttemptReport(attempt: key, kind: kind, at: CoreMesh.epoch + now.nanoseconds)))
    }
}
