import Codec
import Simulation

@testable import Raft

/// Cores joined by a perfect network and instant disks, both of which a test can break by hand.
final class TestMesh {
    struct Envelope {
        var from: NodeID
        var to: NodeID
        var message: RaftMessage
    }

    var cores: [RaftCore]
    var now = Instant.zero
    /// Nodes whose messages are lost, both ways.
    var isolated: [NodeID] = []
    /// Nodes whose disk does not answer; their writes wait in `pendingWrites`.
    var stalledDisks: [NodeID] = []
    var pendingWrites: [(node: NodeID, token: UInt64)] = []
    /// What a test wants to see or drop; return false to lose the message.
    var filter: (Envelope) -> Bool = { _ in true }
    private(set) var applied: [[RaftEntry]]
    private(set) var restored: [[RaftSnapshot]]
    private(set) var answers: [RaftEffect] = []
    private(set) var persists: [[RaftPersist]]
    /// The snapshot files of each node; taken ones go in by `snapshot`.
    private(set) var files: [SimulatedSnapshots]
    private var queue: [Envelope] = []
    private var nextRequest: UInt64 = 0

    init(_ cores: [RaftCore]) {
        self.cores = cores
        applied = Array(repeating: [], count: cores.count)
        restored = Array(repeating: [], count: cores.count)
        persists = Array(repeating: [], count: cores.count)
        files = Array(repeating: SimulatedSnapshots(), count: cores.count)
    }

    /// `count` voters that all start from the same membership.
    convenience init(voters count: Int, configuration: RaftConfiguration = RaftConfiguration()) {
        let voters = (1...count).map { NodeID(UInt64($0)) }
        let restored = RaftRestored(
            hardState: RaftHardState(term: 1, commitIndex: 1),
            entries: [RaftEntry(index: 1, term: 1, payload: .membership(RaftMembership(voters: voters)))])
        self.init(
            voters.map { id in
                RaftCore(id: id, restored: restored, configuration: configuration, seed: id.rawValue, now: .zero)
            })
    }

    subscript(_ number: Int) -> RaftCore { cores[number - 1] }

    var leader: Int? {
        let leaders = cores.indices.filter { cores[$0].role == .leader && !isolated.contains(cores[$0].id) }
        return leaders.max { cores[$0].term < cores[$1].term }.map { $0 + 1 }
    }

    /// A node takes a snapshot of its state, which encodes to `content`.
    @discardableResult
    func snapshot(at number: Int, _ content: [UInt8]) -> RaftSnapshot {
        let core = cores[number - 1]
        let snapshot = RaftSnapshot(
            core.snapshotPlan, content: content, pieceBytes: core.configuration.snapshotPieceBytes)
        files[number - 1].add(snapshot, content)
        handle(number, .snapshotTaken(snapshot))
        return snapshot
    }

    private func store(_ piece: RaftSnapshotPiece, at number: Int) {
        let pieceBytes = cores[number - 1].configuration.snapshotPieceBytes
        switch files[number - 1].store(piece, pieceBytes: pieceBytes) {
        case .partly(let next): handle(number, .snapshotStored(piece.snapshot, nextOffset: next))
        case .whole: handle(number, .snapshotArrived(piece.snapshot))
        }
    }

    func handle(_ number: Int, _ input: RaftInput) { handle(number, [input]) }

    func handle(_ number: Int, _ inputs: [RaftInput]) {
        var effects: [RaftEffect] = []
        cores[number - 1].handle(inputs, at: now, into: &effects)
        let id = cores[number - 1].id
        for effect in effects {
            switch effect {
            case .persist(let persist):
                persists[number - 1].append(persist)
                pendingWrites.append((id, persist.token))
            case .send(let to, let message): queue.append(Envelope(from: id, to: to, message: message))
            case .apply(let entries): applied[number - 1] += entries
            case .restore(let snapshot):
                restored[number - 1].append(snapshot)
                applied[number - 1] = []
            case .sendSnapshot(let to, let term, let snapshot, let offset, let byteCount):
                let piece = files[number - 1].piece(of: snapshot, at: offset, byteCount: byteCount)!
                queue.append(Envelope(from: id, to: to, message: .snapshot(.init(term: term, piece: piece))))
            case .storeSnapshot(let piece): store(piece, at: number)
            default: answers.append(effect)
            }
        }
    }

    /// Delivers until nothing moves.
    func settle() {
        while true {
            if let position = pendingWrites.firstIndex(where: { !stalledDisks.contains($0.node) }) {
                let write = pendingWrites.remove(at: position)
                handle(number(write.node), .persisted(write.token...write.token))
            } else if !queue.isEmpty {
                let envelope = queue.removeFirst()
                let isLost = isolated.contains(envelope.from) || isolated.contains(envelope.to)
                guard !isLost, filter(envelope), cores.contains(where: { $0.id == envelope.to }) else { continue }
                handle(number(envelope.to), .received(from: envelope.from, envelope.message))
            } else {
                return
            }
        }
    }

    /// Lets time pass from deadline to deadline.
    func run(milliseconds: Int64, until isDone: () -> Bool = { false }) {
        let end = now + .milliseconds(milliseconds)
        settle()
        while !isDone() {
            let next = cores.indices.compactMap { number in cores[number].nextDeadline.map { ($0, number) } }
                .min { ($0.0, $0.1) < ($1.0, $1.1) }
            guard let (deadline, position) = next, deadline <= end else { break }
            now = max(now, deadline)
            handle(position + 1, .timer)
            settle()
        }
        if !isDone() { now = max(now, end) }
    }

    /// Proposes at a node and returns the request's number.
    @discardableResult
    func propose(at number: Int, _ text: String) -> UInt64 {
        nextRequest += 1
        handle(number, .propose(id: nextRequest, entry: Array(text.utf8)))
        return nextRequest
    }

    /// Reads and then an input, which come in one turn.
    func handle(_ number: Int, readsBefore input: RaftInput, count: Int) -> [UInt64] {
        let requests = (1...count).map { nextRequest + UInt64($0) }
        nextRequest += UInt64(count)
        handle(number, requests.map { RaftInput.read(id: $0) } + [input])
        return requests
    }

    func read(at number: Int) -> UInt64 {
        nextRequest += 1
        handle(number, .read(id: nextRequest))
        return nextRequest
    }

    @discardableResult
    func change(at number: Int, voters: [Int], learners: [Int] = []) -> UInt64 {
        nextRequest += 1
        let ids = { (numbers: [Int]) in numbers.map { NodeID(UInt64($0)) } }
        handle(number, .change(id: nextRequest, voters: ids(voters), learners: ids(learners)))
        return nextRequest
    }

    func texts(_ number: Int) -> [String] {
        applied[number - 1].compactMap { $0.command.map { String(decoding: $0, as: UTF8.self) } }
    }

    func rejection(of request: UInt64) -> RaftError? {
        for case .rejected(request, let error) in answers { return error }
        return nil
    }

    func readIndex(of request: UInt64) -> UInt64? {
        for case .readReady(request, let index) in answers { return index }
        return nil
    }

    private func number(_ id: NodeID) -> Int { cores.firstIndex { $0.id == id }! + 1 }
}
