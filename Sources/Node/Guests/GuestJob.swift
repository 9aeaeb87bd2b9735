import Codec
import Scheduler
import Tokens

/// The job that somebody outside the mesh gets for what he asked: built anew from what a guest may ask, within what his
/// token allows, under profile strict. Whoever takes the request and whoever runs the job come to the same one.
enum GuestJob {
    /// What a token means that does not name a limit.
    static let policy = AccessLimits([
        .cpu: 4_000, .memory: 8 << 30, .disk: 10 << 30, .wall: 3_600, .output: 10 << 30, .gpu: 0, .network: 0,
        .keep: AccessConstants.keepSeconds, .tasks: 1,
    ])

    private static let graceMillisecondsMax: UInt64 = 60_000
    private static let retriesMax: UInt32 = 10

    /// What the job would take of each limit, as far as it says so.
    static func asks(_ asked: JobSpec) -> AccessLimits {
        var asks = AccessLimits()
        asks[.gpu] = Int64(asked.resources.gpus)
        asks[.cpu] = Int64(clamping: asked.resources.cpuMillis)
        asks[.memory] = asked.resources.memoryBytes.map { Int64(clamping: $0) }
        asks[.disk] = asked.diskBytes.map { Int64(clamping: $0) }
        asks[.wall] = asked.timeLimitMilliseconds.map { Int64(clamping: ($0 + 999) / 1_000) }
        asks[.tasks] = Int64(asked.tasks)
        switch asked.sandbox?.network {
        case .on: asks[.network] = 2
        case .setupOnly: asks[.network] = 1
        case .off, nil: break
        }
        return asks
    }

    /// - Parameter limits: of the decision, so that each one is named.
    /// - Throws: `denied` for what no guest may ask.
    static func spec(
        _ asked: JobSpec, limits: AccessLimits, user: String, submitNode: NodeID
    ) throws(NodeError) -> JobSpec {
        if let what = refusal(of: asked) { throw .denied(user: user, what: what) }
        let wall = UInt64(clamping: limits[.wall] ?? 0)
        let memory = UInt64(clamping: limits[.memory] ?? 0)
        var spec = JobSpec(
            name: asked.name, command: asked.command, environment: asked.environment, user: user, uid: nobody,
            gid: nobody, resources: asked.resources, tasks: asked.tasks,
            timeLimitMilliseconds: min(asked.timeLimitMilliseconds ?? .max, wall * 1_000),
            graceMilliseconds: min(asked.graceMilliseconds, graceMillisecondsMax), outputs: asked.outputs,
            workingTree: asked.workingTree, submitNode: submitNode, isArray: asked.isArray)
        // Without a word about memory a job would get what the CPUs' share of its host is.
        spec.resources.memoryBytes = min(asked.resources.memoryBytes ?? memory, memory)
        // Without a word about it its node takes the limit of the token, which it has verified.
        spec.diskBytes = asked.diskBytes
        switch asked.retry {
        case .never: spec.retry = .never
        case .times(let times): spec.retry = .times(min(times, retriesMax))
        }
        var network = asked.sandbox?.network
        let setup = asked.sandbox?.setup
        if network == nil { network = setup != nil && (limits[.network] ?? 0) >= 1 ? .setupOnly : .off }
        spec.sandbox = SandboxSpec(profile: .strict, network: network, setup: setup)
        return spec
    }

    private static let nobody: UInt32 = 65_534

    private static func refusal(of asked: JobSpec) -> String? {
        if asked.gang != nil { return "run gangs" }
        if asked.checkpoint != nil { return "keep checkpoints" }
        if asked.runAs != nil || asked.sandbox?.user != nil || asked.sandbox?.group != nil { return "choose a user" }
        if asked.sandbox?.image != nil { return "bring a root of the host" }
        if asked.hasInput { return "give a job input while it runs" }
        if asked.sandbox?.mounts.isEmpty == false { return "mount directories of the host" }
        if let profile = asked.sandbox?.profile, profile != .strict { return "run under another profile than strict" }
        if asked.guest != nil || !asked.unknown.isEmpty || asked.sandbox?.unknown.isEmpty == false {
            return "ask for what this version does not know"
        }
        return nil
    }
}
