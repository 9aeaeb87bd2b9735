import CLinux
import Codec
import Glibc
import Scheduler

/// Runs the attempts of one job on this host, holds them to the lease of their node, and outlives the daemon.
///
/// One thread, one poll(2). Everything it says about attempts is in its journal first, so that a daemon that comes later, or
/// finds only the directory, learns the exact truth. That file outlives every process; it is forced to disk behind what is
/// told, a few times a second: after a crash of the whole host what counts is what the mesh agreed on, and an end that was
/// not told is an attempt lost, as it would be a moment earlier.
final class Supervisor {
    /// What is known of an attempt until its end is acknowledged.
    enum Entry {
        case running(RunningAttempt)
        case ended(AttemptResult)
    }

    /// Attempts running or waiting for acknowledgement.
    static let entryMaximum = 4096
    /// How many acknowledged attempts are remembered, so that a late repetition of their start is not obeyed.
    private static let forgottenMaximum = 16384
    private static let outputBufferBytes = 1 << 20
    /// How long a frozen group is looked at again until the kernel is done.
    static let freezeLook = Interval.milliseconds(5)
    /// A frozen attempt's lease is looked at this often.
    static let thawLook = Interval.milliseconds(50)
    static let memoryLook = Interval.milliseconds(100)
    /// The journal is forced to disk at most this often.
    private static let syncInterval = Interval.milliseconds(250)
    /// A full disk is asked for room this often.
    private static let roomLook = Interval.milliseconds(500)
    /// Without attempts and without a daemon it goes away after this.
    private static let idleLimit = Interval.seconds(5)

    let lease: LeasePage
    let pool: CgroupPool
    private let signals: Int32
    private let timer: Int32
    private let listening: Int32
    private var journal: SupervisorJournal
    /// Where its files are now.
    private(set) var paths: SupervisorPaths
    private(set) var connection: SupervisorPeer?
    private var entries: [AttemptKey: Entry] = [:]
    /// Order of acceptance: what is told never depends on hashing.
    private var order: [AttemptKey] = []
    private(set) var running: [RunningAttempt] = []
    /// First processes that were never let through to their command.
    var abandoned: [(process: Int32, group: Cgroup?)] = []
    /// For an attempt that may come.
    var ready: ReadySandbox?
    /// Attempts of this supervisor that one like it would have suited.
    var suitedCount = 0
    private var acknowledged: Set<AttemptKey> = []
    private var acknowledgedOrder: [AttemptKey] = []
    var unsent: [SupervisorEvent] = []
    /// Ends that the journal has no room for yet: nobody hears of them, and they count as running.
    private var unwritten: [(AttemptKey, AttemptResult)] = []
    private var syncedAt = Instant.zero
    private var armedFor = Instant.zero
    private var isShuttingDown = false
    private var idleSince = HostClock.sinceBoot()
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: outputBufferBytes, alignment: 4096)

    init(
        _ paths: SupervisorPaths, listening: Int32, recovered: JournalState, journal: SupervisorJournal,
        lease: LeasePage
    ) throws(HostError) {
        self.paths = paths
        self.listening = listening
        self.journal = journal
        self.lease = lease
        signals = clinux_supervisor_signals()
        timer = clinux_boot_timer()
        if signals < 0 || timer < 0 {
            throw .system(operation: "signalfd", path: "", errorNumber: -min(signals, timer))
        }
        pool = CgroupPool(hierarchies: CgroupHierarchies.probe())
        pool.warm()
        try recover(recovered)
    }

    deinit { buffer.deallocate() }

    /// What an earlier supervisor of this directory left without an end died with it.
    private func recover(_ state: JournalState) throws(HostError) {
        for attempt in state.attempts {
            let result =
                attempt.result
                ?? AttemptResult(outcome: .lost, startedAt: attempt.startedAt, endedAt: HostClock.unix())
            if attempt.result == nil { try journal.append(.ended(attempt.key, result)) }
            entries[attempt.key] = .ended(result)
            order.append(attempt.key)
        }
        try journal.append(
            .opened(boot: try HostBoot.identity().text, process: getpid(), at: HostClock.unix()))
        try journal.sync()
    }

    // -- The loop --

    func run() throws(HostError) {
        while true {
            let now = HostClock.sinceBoot()
            var next = try tick(now: now)
            flush()
            next = min(next, try syncJournal(now: now))
            if isDone(now: now) { break }
            try wait(until: next)
        }
        dropReady()
        reapAbandoned(0)
        try journal.sync()
        pool.removeAll()
        // The connection closes with the process, after the lock: a daemon that sees its end finds this directory free.
    }

    /// Not at every end: a disk takes milliseconds, and attempts wait to be started.
    private func syncJournal(now: Instant) throws(HostError) -> Instant {
        if journal.isBehind || !unwritten.isEmpty {
            try journal.catchUp()
            if journal.isBehind { return now + Self.roomLook }
            for (key, result) in exchange(&unwritten, with: []) { tellEnd(key, result) }
            flush()
        }
        guard journal.needsSync else { return .distantFuture }
        if now - syncedAt < Self.syncInterval { return syncedAt + Self.syncInterval }
        try journal.sync()
        syncedAt = HostClock.sinceBoot()
        return .distantFuture
    }

    private func isDone(now: Instant) -> Bool {
        guard entries.isEmpty, !journal.isBehind else {
            idleSince = now
            return false
        }
        if isShuttingDown { return true }
        if isExpected { idleSince = now }
        return now - idleSince > Self.idleLimit
    }

    /// A daemon that is connected may be about to ask for the first attempt. Who has had some waits no longer than without
    /// one: the rest of its job may be other hosts'.
    private var isExpected: Bool { connection != nil && acknowledged.isEmpty }

    private enum Source {
        case signals, timer, listening, connection, ready
        case control(RunningAttempt)
        case output(RunningAttempt, LogStream)
        case input(RunningAttempt)
        case proxy(RunningAttempt)
    }

    private func wait(until deadline: Instant) throws(HostError) {
        let isIdle = entries.isEmpty && !isExpected
        let alarm = isIdle ? min(deadline, idleSince + Self.idleLimit + .milliseconds(1)) : deadline
        if alarm != armedFor {
            _ = clinux_boot_timer_set(timer, alarm == .distantFuture ? 0 : max(alarm.nanoseconds, 1))
            armedFor = alarm
        }
        let now = HostClock.sinceBoot()
        var sources: [Source] = [.signals, .timer, .listening]
        var polled = [
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
            pollfd(fd: timer, events: Int16(POLLIN), revents: 0),
            pollfd(fd: listening, events: Int16(POLLIN), revents: 0),
        ]
        if let connection {
            let events = connection.hasOutput ? POLLIN | POLLOUT : POLLIN
            polled.append(pollfd(fd: connection.socket, events: Int16(events), revents: 0))
            sources.append(.connection)
        }
        if let ready {
            polled.append(pollfd(fd: ready.control, events: Int16(POLLIN), revents: 0))
            sources.append(.ready)
        }
        for attempt in running {
            // A signal comes when it can be reaped.
            if !attempt.isSilent {
                polled.append(pollfd(fd: attempt.process.control, events: Int16(POLLIN), revents: 0))
                sources.append(.control(attempt))
            }
            if attempt.input.wantsWriting {
                polled.append(pollfd(fd: attempt.input.descriptor, events: Int16(POLLOUT), revents: 0))
                sources.append(.input(attempt))
            }
            if attempt.frozenSince == nil, !attempt.isPaused, let listener = attempt.proxy?.waitsForConnection(at: now)
            {
                polled.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0))
                sources.append(.proxy(attempt))
            }
            for stream in [LogStream.output, .error] {
                guard let descriptor = attempt.descriptor(stream) else { continue }
                polled.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
                sources.append(.output(attempt, stream))
            }
        }
        if poll(&polled, nfds_t(polled.count), -1) < 0 {
            if errno == EINTR { return }
            throw .system(operation: "poll", path: "", errorNumber: errno)
        }
        for (entry, source) in zip(polled, sources) where entry.revents != 0 { try handle(source) }
    }

    private func handle(_ source: Source) throws(HostError) {
        switch source {
        case .signals: try handleSignals()
        case .timer:
            var expirations: UInt64 = 0
            _ = read(timer, &expirations, 8)
            armedFor = .zero
        case .listening: try accept()
        case .connection: try serveConnection()
        case .ready: if let ready { hear(ready.news()) }
        case .control(let attempt):
            // Another source of the same poll may have reaped it.
            if attempt.isFinished { return }
            if attempt.readMessages(now: HostClock.sinceBoot()) { try tellStarted(attempt) }
            unsent += attempt.takeNews()
            try reap(attempt)
        case .input(let attempt): if attempt.input.write() { tellInput(attempt) }
        case .proxy(let attempt): attempt.startProxy()
        case .output(let attempt, let stream): attempt.readOutput(stream, buffer: buffer, limit: 4)
        }
    }

    // -- Attempts --

    private func start(_ spec: AttemptSpec) throws(HostError) {
        if acknowledged.contains(spec.key) { return }
        if let entry = entries[spec.key] { return tell(entry, key: spec.key) }
        guard !spec.hasUnknownParts else { return unsent.append(.declined(spec.key, reason: SupervisorEvent.tooOld)) }
        guard lease.holds(at: HostClock.sinceBoot()) else {
            unsent.append(.declined(spec.key, reason: SupervisorEvent.leaseExpired))
            return
        }
        guard running.count < SupervisorMain.attemptMaximum, entries.count < Self.entryMaximum else {
            unsent.append(.declined(spec.key, reason: SupervisorEvent.tooManyAttempts))
            return
        }
        guard !journal.isBehind else {
            unsent.append(.declined(spec.key, reason: SupervisorEvent.diskFull))
            return
        }
        try journal.append(.accepted(spec.key, logPath: spec.logPath, at: HostClock.unix()))
        order.append(spec.key)
        do throws(HostError) {
            let attempt = try launch(spec)
            running.append(attempt)
            entries[spec.key] = .running(attempt)
        } catch {
            let outcome = Outcome.hostFailed(code: error.code, message: error.message)
            try end(spec.key, AttemptResult(outcome: outcome, startedAt: nil, endedAt: HostClock.unix()))
        }
    }

    private func launch(_ spec: AttemptSpec) throws(HostError) -> RunningAttempt {
        if let attempt = try beginReady(spec) { return attempt }
        let group = try pool.take(spec.groupLimits)
        let process: AttemptProcess
        do throws(HostError) {
            process = try AttemptProcess.clone(spec, in: AttemptProcess.sandbox(of: spec), into: group)
        } catch {
            if let group { pool.giveBack(group) }
            throw error
        }
        let attempt = RunningAttempt(spec: spec, process: process, group: group)
        do throws(HostError) {
            if spec.isolation == .userNamespace { try process.mapUsers(of: spec) }
            process.send(CLINUX_ORDER_GO)
        } catch {
            // It never passed its gate: the closed socket ends it.
            attempt.abandon()
            abandon(process.process, in: group)
            throw error
        }
        return attempt
    }

    private func tellInput(_ attempt: RunningAttempt) {
        unsent.append(.inputTaken(attempt.key, attempt.input.count, isOpen: attempt.input.isOpen))
    }

    private func tellStarted(_ attempt: RunningAttempt) throws(HostError) {
        try attempt.group?.begin()
        let process = attempt.process.process
        let at = attempt.startedAt ?? HostClock.unix()
        // One that ended already needs no description.
        let ticks = attempt.hasReported ? 0 : ProcessFacts.of(process)?.startTicks ?? 0
        try journal.append(.started(attempt.key, process: process, startTicks: ticks, at: at))
        unsent.append(.started(attempt.key, process: process, at: at))
        makeReadyForNext(after: attempt.spec)
    }

    private func handleSignals() throws(HostError) {
        var isStopping = false
        while true {
            let signal = clinux_next_signal(signals)
            if signal == 0 { break }
            if signal == SIGTERM { isStopping = true }
        }
        for attempt in running {
            attempt.reapProxy()
            try reap(attempt)
        }
        reapAbandoned(WNOHANG)
        guard isStopping else { return }
        isShuttingDown = true
        let now = HostClock.sinceBoot()
        for attempt in running { attempt.terminate(.lost, grace: attempt.spec.grace, now: now) }
    }

    private func reap(_ attempt: RunningAttempt) throws(HostError) {
        var status: Int32 = 0
        var usage = rusage()
        guard wait4(attempt.process.process, &status, WNOHANG, &usage) == attempt.process.process else { return }
        let now = HostClock.sinceBoot()
        if attempt.readMessages(now: now) { try tellStarted(attempt) }
        unsent += attempt.takeNews()
        let result = attempt.finish(status: status, usage: usage, buffer: buffer, now: now)
        if let group = attempt.group { pool.giveBack(group) }
        running.removeAll { $0 === attempt }
        try end(attempt.key, result)
    }

    private func end(_ key: AttemptKey, _ result: AttemptResult) throws(HostError) {
        try journal.append(.ended(key, result))
        if journal.isBehind { unwritten.append((key, result)) } else { tellEnd(key, result) }
    }

    private func tellEnd(_ key: AttemptKey, _ result: AttemptResult) {
        entries[key] = .ended(result)
        unsent.append(.ended(key, result))
    }

    /// Nil for one that has ended, even if nobody has heard of it yet.
    private func runningAttempt(_ key: AttemptKey) -> RunningAttempt? {
        guard case .running(let attempt)? = entries[key], !attempt.isFinished else { return nil }
        return attempt
    }

    private func acknowledge(_ key: AttemptKey) throws(HostError) {
        guard case .ended? = entries[key] else { return }
        entries[key] = nil
        order.removeAll { $0 == key }
        acknowledged.insert(key)
        acknowledgedOrder.append(key)
        if acknowledgedOrder.count > Self.forgottenMaximum { acknowledged.remove(acknowledgedOrder.removeFirst()) }
        try journal.append(.acknowledged(key))
        if journal.isDueForCompaction { try compact() }
    }

    private func compact() throws(HostError) {
        var records: [JournalRecord] = [
            .opened(boot: try HostBoot.identity().text, process: getpid(), at: HostClock.unix())
        ]
        for key in order {
            switch entries[key] {
            case .running(let attempt)?:
                records.append(.accepted(key, logPath: attempt.spec.logPath, at: HostClock.unix()))
                guard let at = attempt.startedAt else { continue }
                let process = attempt.process.process
                let ticks = ProcessFacts.of(process)?.startTicks ?? 0
                records.append(.started(key, process: process, startTicks: ticks, at: at))
            case .ended(let result)?:
                records.append(.accepted(key, logPath: "", at: HostClock.unix()))
                records.append(.ended(key, result))
            case nil: continue
            }
        }
        try journal.rewrite(records)
    }

    // -- The daemon --

    private func accept() throws(HostError) {
        let socket = Glibc.accept(listening, nil, nil)
        guard socket >= 0 else { return }
        let user = clinux_peer_user(socket)
        guard user == 0 || user == Int64(geteuid()), clinux_set_nonblocking(socket) == 0 else {
            close(socket)
            return
        }
        // There is one daemon: who comes later has replaced who was here. What that one still asked is heard first.
        while let peer = connection, peer.hasInput { try serveConnection() }
        connection?.close()
        connection = SupervisorPeer(socket: socket)
    }

    private func serveConnection() throws(HostError) {
        guard let peer = connection else { return }
        do throws(HostError) {
            guard try peer.receive(buffer: buffer) else {
                peer.close()
                connection = nil
                return
            }
        } catch { return drop(error) }
        while connection === peer {
            let request: SupervisorRequest?
            do throws(HostError) { request = try peer.frames.next() } catch { return drop(error) }
            guard let request else { return }
            try obey(request, from: peer)
        }
    }

    private func drop(_ error: HostError) {
        SupervisorMain.say("connection closed: \(error.message) [\(error.code)]")
        connection?.close()
        connection = nil
    }

    private func obey(_ request: SupervisorRequest, from peer: SupervisorPeer) throws(HostError) {
        let now = HostClock.sinceBoot()
        switch request {
        case .hello(let version, let directory):
            peer.version = version
            if let directory {
                paths = SupervisorPaths(directory: directory)
                journal.path = paths.journal
            }
            for attempt in running { attempt.endHands() }
            // What was not sent yet is part of the replay.
            unsent = []
            peer.isWelcome = true
            unsent.append(.welcome(version: SupervisorRequest.version, process: getpid()))
            for key in order { if let entry = entries[key] { tell(entry, key: key) } }
            unsent.append(.replayed)
        case .start(let spec): try start(spec)
        case .cancel(let key, let grace):
            guard let attempt = runningAttempt(key) else { return }
            let mayRun = !attempt.spec.replaceable || lease.holds(at: now)
            do throws(HostError) { try attempt.resumeToEnd(mayRun: mayRun, now: now) } catch {
                // One that cannot be woken is killed below.
            }
            attempt.terminate(.cancelled, grace: grace ?? attempt.spec.grace, now: now)
        case .kill(let key):
            guard let attempt = runningAttempt(key) else { return }
            attempt.kill(.lost)
        case .acknowledge(let key): try acknowledge(key)
        case .shutdown: isShuttingDown = true
        case .pause(let key): runningAttempt(key)?.pause()
        case .hand(let order): obey(order, from: peer)
        case .goOn(let key): runningAttempt(key)?.letGo()
        case .input(let key, let offset, let bytes, let isLast):
            guard let attempt = runningAttempt(key) else { return }
            attempt.input.take(bytes.array, at: offset, isLast: isLast)
            tellInput(attempt)
        case .resume(let key): runningAttempt(key)?.resume()
        }
    }

    private func obey(_ order: HandOrder, from peer: SupervisorPeer) {
        guard let descriptors = peer.takeDescriptors(order.descriptorCount) else {
            return SupervisorMain.say("an order came without its descriptors")
        }
        defer { for descriptor in descriptors { close(descriptor) } }
        guard let attempt = runningAttempt(order.key) else {
            unsent.append(.handRefused(order.key, hand: order.hand, .notRunning))
            return
        }
        attempt.obey(order, descriptors)
        unsent += attempt.takeNews()
    }

    private func tell(_ entry: Entry, key: AttemptKey) {
        switch entry {
        case .running(let attempt):
            guard let at = attempt.startedAt else { return }
            unsent.append(.started(key, process: attempt.process.process, at: at))
            if attempt.frozenTold { unsent.append(.frozen(key)) }
            unsent += attempt.setupNews
        case .ended(let result): unsent.append(.ended(key, result))
        }
    }

    private func flush() {
        guard let peer = connection, peer.isWelcome else {
            // The next daemon hears everything in its replay.
            unsent = []
            return
        }
        for event in unsent where peer.understands(event) { peer.send(event) }
        unsent = []
        if !peer.write() {
            peer.close()
            connection = nil
            for attempt in running { attempt.letGo() }
        }
    }
}
