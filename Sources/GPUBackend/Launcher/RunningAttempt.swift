import CLinux
import Codec
import Glibc
import Scheduler

/// An attempt whose first process has not been reaped yet.
final class RunningAttempt {
    /// Why the supervisor ends it; nil while it may go on.
    enum EndCause {
        case cancelled, timeLimit, outOfMemory, diskLimit
        /// Replaced elsewhere, frozen for too long, or the host goes down: the mesh runs it again.
        case lost
    }

    let spec: AttemptSpec
    let process: AttemptProcess
    let group: Cgroup?
    var input: AttemptInput
    /// Its way to other networks, where it has one.
    private(set) var proxy: AttemptProxy?
    /// What it keeps on disk, where that has a limit.
    let disk: DiskWatch?
    private var log: LogWriter
    private(set) var startedAt: Int64?
    private(set) var cause: EndCause?
    private var refusal: clinux_message?
    private var report: clinux_message?
    private var failedInSetup = false
    /// How long its setup command took, once that has ended well.
    private(set) var setupMilliseconds: UInt64?
    /// Its command is not run before somebody says so.
    private(set) var isWaiting = false
    private(set) var killAt: Instant?
    private var timeLimitAt: Instant?
    private(set) var frozenSince: Instant?
    /// Since when its node has no lease; nil: it has one, or needs none.
    var leaselessSince: Instant?
    /// Somebody wants it to stand still.
    private(set) var isPaused = false
    /// The freeze is complete and was told.
    var frozenTold = false
    /// Its descriptors are closed, and their numbers may already be those of another attempt.
    private(set) var isFinished = false
    /// Its first process has closed the control socket. That stays readable until the process can be reaped, which takes
    /// the kernel many milliseconds when namespaces go with it: who polled it meanwhile would not sleep.
    private(set) var isSilent = false
    /// What became of its setup and of what somebody does beside it, not told yet.
    private var news: [SupervisorEvent] = []
    private var openStreams: Set<LogStream> = [.output, .error]
    private var grownPipes: Set<LogStream> = []

    init(spec: AttemptSpec, process: AttemptProcess, group: Cgroup?) {
        self.spec = spec
        self.process = process
        self.group = group
        input = AttemptInput(process.input)
        disk =
            spec.diskBytes > 0
            ? DiskWatch(spec.workingDirectory, others: spec.writableDirectories, limit: spec.diskBytes) : nil
        log = LogWriter(path: spec.logPath)
    }

    var key: AttemptKey { spec.key }

    /// Its command ended.
    var hasReported: Bool { report != nil }

    // -- What the first process says --

    /// Reads its messages; true when the command began to run just now.
    func readMessages(now: Instant) -> Bool {
        var began = false
        while true {
            let message: clinux_message
            switch process.news() {
            case .message(let next): message = next
            case .proxyListens(let listener):
                proxy = AttemptProxy(listener: listener)
                continue
            case .nothingYet: return began
            case .silence:
                isSilent = true
                return began
            }
            switch clinux_message_kind(message.kind) {
            case CLINUX_MESSAGE_STARTED:
                startedAt = message.at_nanoseconds
                timeLimitAt = spec.timeLimit.map { now + $0 }
                began = true
            case CLINUX_MESSAGE_REFUSED: refusal = message
            case CLINUX_MESSAGE_HAND_ENDED:
                news.append(.handEnded(key, hand: message.hand, exitCode: Self.exitCode(message.status)))
            case CLINUX_MESSAGE_HAND_REFUSED:
                news.append(.handRefused(key, hand: message.hand, SandboxLayer.refusal(message, spec)))
            case CLINUX_MESSAGE_SETUP_ENDED:
                let nanoseconds = max(0, message.at_nanoseconds - (startedAt ?? message.at_nanoseconds))
                setupMilliseconds = UInt64(nanoseconds / 1_000_000)
                isWaiting = spec.keepsSetup
                if spec.sandbox?.network == .setupOnly { proxy?.close() }
                news += setupNews
            case CLINUX_MESSAGE_SETUP_FAILED:
                report = message
                failedInSetup = true
            case CLINUX_MESSAGE_ENDED: report = message
            case CLINUX_MESSAGE_LISTENS: SupervisorMain.say("an attempt has no proxy: its socket was lost on the way")
            default: SupervisorMain.say("the first process of an attempt says what nobody knows: \(message.kind)")
            }
        }
    }

    // -- Its way to other networks --

    func startProxy() { proxy?.start(for: spec, in: process.sandbox, group) }
    func reapProxy() { proxy?.reap() }

    // -- Beside it --

    /// Has something done inside of it.
    func obey(_ order: HandOrder, _ descriptors: [Int32]) {
        let refusal: HandRefusal
        if startedAt == nil || hasReported || frozenSince != nil || isPaused {
            refusal = .notRunning
        } else if let packet = order.packet(for: spec) {
            guard let error = process.send(packet, descriptors) else { return }
            refusal = HandRefusal(code: "host.system", message: "the order was not taken: \(ErrorText.of(error))")
        } else {
            refusal = .tooLong
        }
        news.append(.handRefused(key, hand: order.hand, refusal))
    }

    /// What people ran beside it ends with the daemon that they asked.
    func endHands() {
        let order = HandOrder(key: key, hand: 0, kind: .signal(SIGKILL))
        if startedAt != nil, !hasReported, let packet = order.packet(for: spec) { _ = process.send(packet, []) }
    }

    func takeNews() -> [SupervisorEvent] {
        defer { news = [] }
        return news
    }

    private static func exitCode(_ status: Int32) -> Int32 {
        var value: Int32 = 0
        return clinux_wait_status(status, &value) == 2 ? 128 + value : value
    }

    // -- Setup --

    /// That its setup has ended, for the daemon; empty before.
    var setupNews: [SupervisorEvent] {
        setupMilliseconds.map { [.setupEnded(key, milliseconds: $0, isWaiting: isWaiting)] } ?? []
    }

    /// Its command may begin.
    func letGo() {
        guard isWaiting else { return }
        isWaiting = false
        process.send(CLINUX_ORDER_GO)
    }

    // -- Output --

    func descriptor(_ stream: LogStream) -> Int32? {
        guard openStreams.contains(stream) else { return nil }
        return stream == .output ? process.output : process.errorOutput
    }

    /// Takes what is there, at most `limit` reads. What cannot be kept is counted and shows as a gap.
    func readOutput(_ stream: LogStream, buffer: UnsafeMutableRawBufferPointer, limit: Int) {
        guard let descriptor = descriptor(stream) else { return }
        for _ in 0..<limit {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN { return }
            guard count > 0 else { return closeStream(stream) }
            if count >= 65536, grownPipes.insert(stream).inserted {
                // A command that fills the standard pipe writes a lot: fewer, larger reads from now on.
                _ = clinux_set_pipe_size(descriptor, Int32(buffer.count))
            }
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            do { try log.append(bytes, stream: stream, time: HostClock.unix()) } catch { log.skip(bytes: count) }
        }
    }

    /// Lets go of one that was never let through: with the control socket its first process ends.
    func abandon() {
        for stream in [LogStream.output, .error] { closeStream(stream) }
        input.close()
        close(process.control)
    }

    private func closeStream(_ stream: LogStream) {
        guard let descriptor = descriptor(stream) else { return }
        close(descriptor)
        openStreams.remove(stream)
    }

    // -- Ending --

    /// Asks it to end: SIGTERM to all its processes, SIGKILL after the grace. The first cause stays.
    func terminate(_ cause: EndCause, grace: Interval, now: Instant) {
        guard report == nil else { return }
        self.cause = self.cause ?? cause
        // A frozen attempt cannot act on SIGTERM and may not be thawed for it.
        if frozenSince != nil { return kill(cause) }
        if killAt == nil { process.send(CLINUX_ORDER_TERMINATE) }
        killAt = min(killAt ?? .distantFuture, now + grace)
    }

    func kill(_ cause: EndCause) {
        if report == nil { self.cause = self.cause ?? cause }
        killAt = nil
        proxy?.close()
        if spec.isolation == .group {
            // Its first process must live to collect the others.
            thawGroup()
            process.send(CLINUX_ORDER_CONTINUE)
            process.send(CLINUX_ORDER_KILL)
        } else {
            Glibc.kill(process.process, SIGKILL)
            group?.kill()
            thawGroup()
        }
    }

    // -- Pause --

    /// Stands still from the next look on. One that is being ended is left to end.
    func pause() {
        guard report == nil, cause == nil else { return }
        isPaused = true
    }

    func resume() { isPaused = false }

    /// Goes on to be ended: the signal reaches only what runs. Without a lease it may not.
    func resumeToEnd(mayRun: Bool, now: Instant) throws(HostError) {
        guard isPaused else { return }
        isPaused = false
        if mayRun { try thaw(now: now) }
    }

    // -- Lease --

    func freeze(now: Instant) throws(HostError) {
        frozenSince = now
        if let group, group.canFreeze { try group.freeze() } else { process.send(CLINUX_ORDER_STOP) }
    }

    /// False while the kernel still works on it.
    var isFrozen: Bool {
        guard frozenSince != nil else { return false }
        guard let group, group.canFreeze else { return true }
        return group.isFrozen
    }

    func thaw(now: Instant) throws(HostError) {
        guard let since = frozenSince else { return }
        frozenSince = nil
        frozenTold = false
        timeLimitAt = timeLimitAt.map { $0 + (now - since) }
        if let group, group.canFreeze { try group.thaw() } else { process.send(CLINUX_ORDER_CONTINUE) }
    }

    private func thawGroup() {
        guard frozenSince != nil, let group, group.canFreeze else { return }
        // If this fails the processes stay frozen; those of version 2 die all the same.
        do { try group.thaw() } catch { group.kill() }
    }

    // -- Time --

    /// Acts on limits that passed; returns when to look again.
    func checkLimits(now: Instant) -> Instant {
        if let killAt, now >= killAt { kill(cause ?? .cancelled) }
        if frozenSince == nil, cause == nil, let timeLimitAt, now >= timeLimitAt {
            terminate(.timeLimit, grace: spec.grace, now: now)
        }
        var next = min(killAt ?? .distantFuture, proxy?.pauseEnd(after: now) ?? .distantFuture)
        if let timeLimitAt, cause == nil, frozenSince == nil { next = min(next, timeLimitAt) }
        return next
    }

    // -- The end --

    /// Called once the first process was reaped, so that none of its processes is left.
    ///
    /// - Parameter usage: of the first process and all that it has reaped, which is everything.
    func finish(
        status: Int32, usage counted: rusage, buffer: UnsafeMutableRawBufferPointer, now: Instant
    ) -> AttemptResult {
        _ = readMessages(now: now)
        // What is still in the pipes; a descriptor that was passed out of the attempt does not hold us up.
        for stream in [LogStream.output, .error] {
            readOutput(stream, buffer: buffer, limit: 64)
            closeStream(stream)
        }
        close(process.control)
        proxy?.end()
        input.close()
        isFinished = true
        log.close()
        let usage = group?.takeUsage()
        let peak = UInt64(clamping: counted.ru_maxrss) * 1024
        let grouped = usage?.peakMemoryBytes ?? 0
        // In blocks of 512 bytes, whatever the storage has (getrusage(2)).
        let (read, written) = (UInt64(clamping: counted.ru_inblock) * 512, UInt64(clamping: counted.ru_oublock) * 512)
        return AttemptResult(
            outcome: outcome(status: status, memory: usage?.memoryEnd), startedAt: startedAt,
            endedAt: report?.at_nanoseconds ?? HostClock.unix(),
            cpuMicroseconds: max(Self.microseconds(counted), usage?.cpuMicroseconds ?? 0),
            // The largest process counts pages that it never had of its own, so the group's word is better.
            peakMemoryBytes: grouped > 0 ? grouped : peak, outputBytes: log.outputBytes,
            readBytes: max(read, usage?.readBytes ?? 0), writtenBytes: max(written, usage?.writtenBytes ?? 0),
            source: usage?.source ?? .processes)
    }

    private static func microseconds(_ usage: rusage) -> UInt64 {
        let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        return UInt64(clamping: seconds * 1_000_000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
    }

    private func outcome(status: Int32, memory: Cgroup.MemoryEnd?) -> Outcome {
        if let refusal { return SandboxLayer.outcome(refusal, spec, process.sandbox) }
        switch cause {
        case .cancelled: return .cancelled
        case .timeLimit: return .timeLimit
        case .outOfMemory: return .outOfMemory(limitBytes: spec.memoryBytes)
        case .diskLimit: return .diskLimit(limitBytes: spec.diskBytes)
        case .lost: return .lost
        case nil: break
        }
        var value: Int32 = 0
        let ended = clinux_wait_status(report?.status ?? status, &value)
        let failed = ended != 1 || value != 0 || report == nil
        if failed, memory == .ofHost {
            return .hostFailed(
                code: "host.out_of_memory", message: "the host ran out of memory, and its kernel chose this job to end")
        }
        if failed, spec.memoryBytes > 0, memory == .limit {
            return .outOfMemory(limitBytes: spec.memoryBytes)
        }
        if failedInSetup {
            let how = ended == 1 ? "ended with exit code \(value)" : "was killed by signal \(value)"
            return .hostFailed(code: "job.setup_failed", message: "the setup command \(how)")
        }
        if report == nil && ended == 1 {
            return .hostFailed(code: "host.sandbox.process", message: "the first process of the attempt ended early")
        }
        return ended == 1 ? .exited(value) : .signalled(value)
    }
}
