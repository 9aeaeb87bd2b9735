import Codec
import Mesh
import Raft
import Ring
import Scheduler
import Tokens

/// Carries out what a node's core asks for, and tells it what happened. Confined to its loop.
///
/// The log is written on a thread of its own; whatever arrives while one write is under way goes out with the next
/// (group commit). Inputs that come in one round of the loop, or while effects are carried out, are one turn.
final class CoreDriver: @unchecked Sendable {
    private(set) var core: NodeCore
    /// What the core asks for beyond its log, its messages and its answers.
    var onEffect: ((NodeEffect) -> Void)?
    /// What does not stop this node but should be known.
    var onWarning: ((String) -> Void)?
    /// What must be done before entries up to an index may be forgotten.
    var beforeSnapshot: ((UInt64) async -> Void)?
    /// Notified after each change of the replicated state, of the leadership or of what gossip knows of the members.
    let changes: LoopSignal

    let loop: any EventLoop
    /// nil once it is closed.
    private(set) var log: RaftLog?
    /// Where the log's files are.
    let logDirectory: String
    /// What this start has found wrong with them.
    let logRemark: String?
    let logThread: DedicatedThread
    /// Snapshots that are being written or read beside the log's thread.
    var snapshotWork = 0
    let snapshotWorkDone: LoopSignal
    /// A snapshot of the leader whose state is being read.
    var loadingSnapshot: RaftSnapshot?
    private let bootID: UInt64
    /// Signs what this node states of those who ask here, for the mesh of this id.
    private let signingKey: SigningKey
    private let meshKeyID: String
    private var requestCount: UInt64 = 0
    private var inbox: [NodeInput] = []
    /// A turn is about to be taken.
    private var isGathering = false
    private var timer: TimerToken?
    private var timerDeadline = Instant.distantFuture
    private var unwritten: [RaftPersist] = []
    private var isWriting = false
    private var settling: TimerToken?
    private var waiting: [RequestID: Waiter] = [:]
    private var reading: [UInt64: LoopSignal] = [:]
    private var readCount: UInt64 = 0
    private var isStarted = false
    private var isStopped = false
    /// Why the log could not be written; nothing is written after it.
    private(set) var logFailure: RaftLogError?

    /// After so long without a write the log is settled: not at once, because writes come in flocks and the next one
    /// would wait behind it.
    private static let settleAfter = Interval.milliseconds(250)

    private final class Waiter {
        var answer: Answer?
        let answered: LoopSignal
        init(_ loop: any EventLoop) { answered = LoopSignal(loop) }
    }

    init(
        core: NodeCore, log: RaftLog, logDirectory: String, logThread: DedicatedThread, bootID: UInt64,
        signingKey: SigningKey, meshKeyID: String, loop: any EventLoop
    ) {
        self.core = core
        self.log = log
        logRemark = log.remark
        self.logDirectory = logDirectory
        snapshotWorkDone = LoopSignal(loop)
        self.logThread = logThread
        self.bootID = bootID
        self.signingKey = signingKey
        self.meshKeyID = meshKeyID
        self.loop = loop
        changes = LoopSignal(loop)
    }

    var state: SchedulerState { core.state }

    /// Begins; what supervisors of this host hold is told first, and what members and clients said until now waits for it:
    /// a core that has not heard of a supervisor takes what it runs for lost.
    func start(adopted: [AdoptedAttempt]) {
        isStarted = true
        inbox.insert(contentsOf: [.wallClock(EventLoops.wallClock.nanoseconds), .adopted(adopted), .timer], at: 0)
        takeTurn()
    }

    func stop() {
        isStopped = true
        if let timer { loop.cancel(timer) }
        if let settling { loop.cancel(settling) }
        for waiter in waiting.values { waiter.answered.notify() }
        for reader in reading.values { reader.notify() }
        changes.notify()
    }

    /// After `stop`: settles the log and closes it. Returns when no more is read from or written to its files.
    func close() async {
        guard let log = exchange(&log, with: nil) else { return }
        let last = Closing(log)
        do {
            while snapshotWork > 0 { try await snapshotWorkDone.wait() }
            if let failure = try await logThread.perform({ last.close() }) {
                onWarning?("the log is not settled: \(failure.message)")
            }
        } catch {
            onWarning?(APIFailure(error).message)
        }
        logThread.finish()
    }

    /// Takes the log to its thread, to be let go there. Touched by one thread after the other.
    private final class Closing: @unchecked Sendable {
        private var log: RaftLog?
        init(_ log: RaftLog) { self.log = log }

        func close() -> RaftLogError? {
            defer { log = nil }
            return log.flatMap { CoreDriver.settle($0).failure }
        }
    }

    /// What comes in the same round of the loop is one turn: one write to the log, and one message to each follower for
    /// all clients and answers that were heard together.
    func input(_ input: NodeInput) {
        guard !isStopped else { return }
        inbox.append(input)
        guard isStarted, !isGathering else { return }
        isGathering = true
        loop.post { [self] in takeTurn() }
    }

    /// Says goodbye to the members, before this returns.
    func goodbye() {
        inbox.append(.goodbye)
        takeTurn()
    }

    private func takeTurn() {
        isGathering = false
        guard isStarted, !isStopped, !inbox.isEmpty else { return }
        let inputs = exchange(&inbox, with: [])
        var effects: [NodeEffect] = []
        core.handle(inputs, at: loop.now, into: &effects)
        for effect in effects { carryOut(effect) }
        writeLog()
        armTimer()
    }

    // MARK: Proposals

    /// Puts a command before the mesh and waits for its answer.
    ///
    /// - Parameters:
    ///   - request: chosen by the caller where the command may be asked again; the same id is carried out once.
    ///   - asker: the person who asks: for the leader, and for the log of what happened.
    func propose(
        _ command: Command, as request: RequestID? = nil, by asker: Asker? = nil, patience: Interval = .seconds(10)
    ) async throws -> Answer {
        if let damage, !damage.hasOtherVoters, !damage.hasLeader { throw NodeError.logDamaged(damage) }
        let request = request ?? nextRequestID()
        let waiter = waiting[request] ?? Waiter(loop)
        waiting[request] = waiter
        let entry = Entry(request: request, time: 0, command: command)
        input(.propose(asker.map { entry.asked(by: $0, key: signingKey, mesh: meshKeyID) } ?? entry))
        let deadline = loop.now + patience
        while waiter.answer == nil {
            guard !isStopped else { throw whyStopped }
            do {
                if try await waiter.answered.isNotified(before: deadline) || waiter.answer != nil { continue }
            } catch {
                abandon(request)
                throw error
            }
            abandon(request)
            throw nobodyLeads(for: patience)
        }
        guard let answer = waiter.answer else { throw whyStopped }
        return answer
    }

    /// What is wrong with the log here; nil while it is whole.
    var damage: LogDamage? { LogDamage(core.raft, finding: logRemark) }

    private var whyStopped: NodeError {
        logFailure.map { .logFailed(path: logDirectory, $0) } ?? .stopping
    }

    /// Why nothing can be decided: there was no leader for so long.
    func nobodyLeads(for patience: Interval) -> NodeError {
        if let damage, !damage.hasLeader { return .logDamaged(damage) }
        return .noLeader(seconds: Int(patience.seconds))
    }

    /// Nobody waits for it any more; it may still be carried out.
    private func abandon(_ request: RequestID) {
        waiting[request] = nil
        input(.abandon(request))
    }

    /// As `propose`, for commands whose refusal is an error of the caller's.
    func carryOut(
        _ command: Command, as request: RequestID? = nil, by asker: Asker? = nil
    ) async throws -> Answer {
        let answer = try await propose(command, as: request, by: asker)
        if let failure = APIFailure(refusal: answer) { throw failure }
        return answer
    }

    /// Waits until the state here is at least as new as the mesh is now. False: no leader said so in time.
    func read(patience: Interval) async throws -> Bool {
        guard reading.count < NodeConstants.readsPending else { throw NodeError.busy }
        readCount += 1
        let number = readCount
        let readable = LoopSignal(loop)
        reading[number] = readable
        input(.read(number))
        let deadline = loop.now + patience
        while reading[number] != nil {
            guard !isStopped else { throw whyStopped }
            do {
                if try await readable.isNotified(before: deadline) { continue }
            } catch {
                abandonRead(number)
                throw error
            }
            abandonRead(number)
            return false
        }
        return true
    }

    private func abandonRead(_ number: UInt64) {
        if reading.removeValue(forKey: number) != nil { input(.abandonRead(number)) }
    }

    private func nextRequestID() -> RequestID {
        requestCount += 1
        // The core counts its own requests under the same boot id, in the lower half.
        return RequestID(high: bootID, low: 1 << 63 | requestCount)
    }

    // MARK: Effects

    private func carryOut(_ effect: NodeEffect) {
        switch effect {
        case .persist(let persist): unwritten.append(persist)
        case .answered(let request, let answer):
            guard let waiter = waiting.removeValue(forKey: request) else { return }
            waiter.answer = answer
            waiter.answered.notify()
        case .readable(let numbers):
            for number in numbers { reading.removeValue(forKey: number)?.notify() }
        case .takeSnapshot(let plan, let state): take(plan, of: Handoff(state))
        case .replaced(let state): letGo(Handoff(state))
        case .sendSnapshot(let peer, let term, let snapshot, let offset, _):
            send(snapshot, from: offset, to: peer, term: term)
        case .storeSnapshot(let piece): store(piece)
        case .changed, .membership, .leadership, .membersChanged:
            onEffect?(effect)
            changes.notify()
        default: onEffect?(effect)
        }
    }

    private func writeLog() {
        guard !isWriting, !unwritten.isEmpty, let log else { return }
        isWriting = true
        let batch = exchange(&unwritten, with: [])
        do {
            try logThread.submit { [self] in
                let failure = CoreDriver.write(batch, to: log)
                loop.post { [self] in wrote(batch, failure) }
                if failure == nil, let failure = CoreDriver.tidy(log) { loop.post { [self] in logFailed(failure) } }
            }
        } catch {
            input(.logFailed(error.message))
        }
    }

    /// On the log's thread. The answer is why it could not be written.
    private static func write(_ batch: [RaftPersist], to log: RaftLog) -> RaftLogError? {
        do throws(RaftLogError) {
            try log.persist(batch)
            return nil
        } catch {
            return error
        }
    }

    /// On the log's thread, after the write was reported. The answer is why it could not be done.
    private static func tidy(_ log: RaftLog) -> RaftLogError? {
        do throws(RaftLogError) {
            try log.tidy()
            return nil
        } catch {
            return error
        }
    }

    private func wrote(_ batch: [RaftPersist], _ failure: RaftLogError?) {
        isWriting = false
        if let failure { return logFailed(failure) }
        if let last = batch.last { input(.persisted(last.token)) }
        settleSoon()
    }

    /// The first reason counts: what comes after it is that there was one.
    private func logFailed(_ error: RaftLogError) {
        if logFailure == nil { logFailure = error }
        input(.logFailed(error.message))
    }

    private func settleSoon() {
        if let settling { loop.cancel(settling) }
        settling = nil
        guard !isWriting, !isStopped else { return }
        settling = loop.schedule(at: loop.after(CoreDriver.settleAfter)) { [self] in
            settling = nil
            guard let log, !isWriting, !isStopped else { return }
            do {
                try logThread.submit { [self] in
                    let outcome = CoreDriver.settle(log)
                    loop.post { [self] in
                        if let failure = outcome.failure { return logFailed(failure) }
                        if outcome.isWorthRepeating { settleSoon() }
                    }
                }
            } catch {
                onWarning?(APIFailure(error).message)
            }
        }
    }

    /// On the log's thread. The answer is why it could not be settled.
    private static func settle(_ log: RaftLog) -> (failure: RaftLogError?, isWorthRepeating: Bool) {
        do throws(RaftLogError) {
            return (nil, try log.settle())
        } catch .stopped {
            // What stopped it was told when it happened.
            return (nil, false)
        } catch {
            return (error, false)
        }
    }

    private func armTimer() {
        let deadline = core.nextDeadline ?? .distantFuture
        if timer != nil, timerDeadline == deadline { return }
        if let timer { loop.cancel(timer) }
        timer = nil
        timerDeadline = deadline
        guard deadline < .distantFuture, !isStopped else { return }
        timer = loop.schedule(at: deadline) { [self] in
            timer = nil
            input(.timer)
        }
    }
}

/// Gives a variable a new value and returns the old one.
func exchange<Value>(_ variable: inout Value, with value: Value) -> Value {
    defer { variable = value }
    return variable
}
