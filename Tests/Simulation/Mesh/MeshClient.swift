import Codec
import Scheduler

/// Somebody who asks the mesh for something and asks again, anywhere, until there is an answer.
struct MeshClient {
    let request: RequestID
    let command: Command
    var answer: Answer?
    /// Where it asked last.
    var askedAt: Int?

    /// As the daemon says it that is asked.
    func command(askedAt node: NodeID) -> Command {
        guard case .submit(var spec) = command else { return command }
        spec.submitNode = node
        return .submit(spec)
    }

    var isSubmit: Bool {
        if case .submit = command { return true }
        return false
    }

    /// What a guest shows; nil for a member, and for everything but a submit.
    var pass: GuestPass? {
        guard case .submit(let spec) = command else { return nil }
        return spec.guest
    }

    var jobName: String? {
        guard case .submit(let spec) = command else { return nil }
        return spec.name
    }
}

/// What the processes of a simulated job do, written into its command so that it travels with it.
struct SimulatedWork {
    var milliseconds: Int64
    /// Attempts up to this one fail.
    var failingAttempts: UInt32
    /// Every so many tasks one takes `longMilliseconds`; 0: none does.
    var longEvery: UInt32

    private static let longMilliseconds: Int64 = 3_000

    init(milliseconds: Int64, failingAttempts: UInt32 = 0, longEvery: UInt32 = 0) {
        self.milliseconds = milliseconds
        self.failingAttempts = failingAttempts
        self.longEvery = longEvery
    }

    init(_ spec: JobSpec) {
        milliseconds = spec.command.count > 1 ? Int64(spec.command[1]) ?? 1 : 1
        failingAttempts = spec.command.count > 2 ? UInt32(spec.command[2]) ?? 0 : 0
        longEvery = spec.command.count > 3 ? UInt32(spec.command[3]) ?? 0 : 0
    }

    var command: [String] { ["work", "\(milliseconds)", "\(failingAttempts)", "\(longEvery)"] }

    func process(_ key: AttemptKey, _ spec: JobSpec, now: Instant) -> SimulatedSupervisors.Process {
        if spec.gang != nil, key.attempt <= failingAttempts { return failingRank(key, spec, now: now) }
        let isLong = longEvery > 0 && key.task % longEvery == longEvery - 1
        return SimulatedSupervisors.Process(
            key: key, mayBeReplaced: spec.retry != .never,
            plannedOutcome: .exited(key.attempt <= failingAttempts ? 7 : 0),
            workLeft: .milliseconds(isLong ? Self.longMilliseconds : milliseconds),
            resumedAt: now)
    }

    /// The last rank of the gang fails; the others would go on for ever.
    private func failingRank(_ key: AttemptKey, _ spec: JobSpec, now: Instant) -> SimulatedSupervisors.Process {
        let fails = key.task == spec.tasks - 1
        return SimulatedSupervisors.Process(
            key: key, mayBeReplaced: spec.retry != .never, plannedOutcome: .exited(fails ? 7 : 0),
            workLeft: fails ? .milliseconds(milliseconds) : .seconds(1_000_000), resumedAt: now)
    }
}
