import Codec
import Raft

/// A node that runs `RaftCore`, with a clock of its own that moves only when told.
final class OurMachine: Machine {
    let id: NodeID
    private var core: RaftCore
    private var disk: RaftRestored
    private var now = Instant.zero
    private var applied: RaftMembership
    private var reads: [UInt64: UInt64] = [:]
    private var outbox: [Envelope] = []
    private var isAccepted = true
    private var nextRequest: UInt64 = 1 << 32

    /// Timeouts are so much longer than heartbeats that heartbeats never add up to one by chance.
    private static let configuration = {
        var configuration = RaftConfiguration()
        configuration.heartbeatInterval = .milliseconds(1)
        // As etcd's leader does.
        configuration.heartbeatsPerLearnerHeartbeat = 1
        configuration.electionTimeoutMinimum = .seconds(1_000)
        configuration.electionTimeoutMaximum = .seconds(1_001)
        configuration.diskStallLimit = .seconds(1_000_000)
        return configuration
    }()

    /// A founder, or without voters a node that has nothing.
    init(id: NodeID, voters: [NodeID]) throws(ComparisonError) {
        self.id = id
        disk = .joining()
        if !voters.isEmpty {
            let membership = RaftMembership(voters: voters)
            disk = RaftRestored(
                hardState: RaftHardState(term: 1, commitIndex: 1),
                snapshot: RaftSnapshot(
                    RaftSnapshotPlan(index: 1, term: 1, membership: membership), content: Self.state),
                baseIndex: 1, baseTerm: 1)
        }
        applied = disk.snapshot?.membership ?? RaftMembership()
        core = Self.core(id, disk, .zero)
        try settle([.timer])
    }

    /// What every snapshot holds, in one piece.
    private static let state = Array("state".utf8)

    private static func core(_ id: NodeID, _ disk: RaftRestored, _ now: Instant) -> RaftCore {
        RaftCore(id: id, restored: disk, configuration: configuration, seed: id.rawValue, now: now)
    }

    func perform(_ act: Act) throws(ComparisonError) -> (isAccepted: Bool, messages: [Envelope]) {
        isAccepted = true
        switch act {
        case .campaign:
            now = now + .seconds(1_002)
            try settle([.timer])
        case .expire:
            now = now + .seconds(1_000)
        case .beat:
            now = now + .milliseconds(2)
            try settle([.timer])
        case .check:
            now = now + .seconds(600)
            try settle([.timer])
        case .propose(let text): try settle([.propose(id: request(), entry: Array(text.utf8))])
        case .read(let number): try settle([.read(id: number)])
        case .transfer(let target): try settle([.transfer(to: target)])
        case .change(let change):
            try settle([.change(id: request(), voters: change.voters, learners: change.learners)])
        case .unreachable: break
        case .compact:
            guard core.appliedIndex > core.snapshotIndex else { break }
            try settle([.snapshotTaken(RaftSnapshot(core.snapshotPlan, content: Self.state))])
            try settle([.compact])
        case .restart:
            core = Self.core(id, disk, now)
            applied = disk.snapshot?.membership ?? RaftMembership()
            try settle([])
        }
        return (isAccepted, takeMessages())
    }

    func receive(_ envelope: Envelope) throws(ComparisonError) -> [Envelope] {
        switch envelope.message {
        case .ours(let message): try settle([.received(from: envelope.from, message)])
        case .etcd(let message): return try receive(Translator.forOurs(envelope, message))
        }
        return takeMessages()
    }

    func told(of envelope: Envelope, arrived: Bool) -> [Envelope] { [] }

    func facts() -> Facts {
        Facts(
            id: id, role: "\(core.role)".lowercased(), term: core.term, vote: disk.hardState.vote, leader: core.leader,
            commit: core.commitIndex, base: disk.baseIndex,
            log: disk.entries.map { entry in
                let content =
                    switch entry.payload {
                    case .empty: ""
                    case .membership: "membership"
                    case .command(let bytes): String(decoding: bytes, as: UTF8.self)
                    }
                return Facts.Entry(term: entry.term, content: content)
            }, voters: applied.voters, outgoing: applied.outgoingVoters, learners: applied.learners,
            nextLearners: applied.nextLearners, isTransferring: core.transferTarget != nil, reads: reads)
    }

    private func request() -> UInt64 {
        nextRequest += 1
        return nextRequest
    }

    private func takeMessages() -> [Envelope] {
        defer { outbox = [] }
        return outbox
    }

    /// Gives the core its inputs and does what it asks for until it asks for nothing more.
    private func settle(_ inputs: [RaftInput]) throws(ComparisonError) {
        var inputs = inputs
        repeat {
            var effects: [RaftEffect] = []
            core.handle(inputs, at: now, into: &effects)
            inputs = []
            for effect in effects { try perform(effect, &inputs) }
            if inputs.isEmpty, core.commitIndex > core.appliedIndex { inputs = [.timer] }
        } while !inputs.isEmpty
    }

    private func perform(_ effect: RaftEffect, _ inputs: inout [RaftInput]) throws(ComparisonError) {
        switch effect {
        case .persist(let persist):
            write(persist)
            inputs.append(.persisted(persist.token...persist.token))
        case .send(let peer, let message): outbox.append(Envelope(from: id, to: peer, message: .ours(message)))
        case .apply(let entries):
            for case .membership(let membership) in entries.map(\.payload) { applied = membership }
        case .restore(let snapshot): applied = snapshot.membership
        case .sendSnapshot(let peer, let term, let snapshot, let offset, let byteCount):
            let data = Array(Self.state[Int(offset)..<Int(offset) + byteCount])
            let piece = RaftSnapshotPiece(
                snapshot: snapshot, offset: offset, data: data, digest: BLAKE3.hash(data))
            outbox.append(
                Envelope(from: id, to: peer, message: .ours(.snapshot(RaftMessage.Snapshot(term: term, piece: piece)))))
        case .storeSnapshot(let piece): inputs.append(.snapshotArrived(piece.snapshot))
        case .rejected(let number, _): if number > 1 << 32 { isAccepted = false }
        case .readReady(let number, let index): reads[number] = index
        case .stop(let error): throw .refused("\(id)", "the core stopped: \(error)")
        default: break
        }
    }

    private func write(_ persist: RaftPersist) {
        if let truncation = persist.truncateFrom { disk.entries.removeAll { $0.index >= truncation } }
        if let snapshot = persist.snapshot { disk.snapshot = snapshot }
        if let compaction = persist.compactThrough, compaction > disk.baseIndex {
            disk.entries.removeAll { $0.index <= compaction }
            disk.baseIndex = compaction
            disk.baseTerm = persist.compactTerm
        }
        disk.entries += persist.entries
        if let hardState = persist.hardState { disk.hardState = hardState }
    }
}
