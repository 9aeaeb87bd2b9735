import Codec
import GPUBackend
import Glibc
import Node
import Scheduler

/// What was typed after `run`, as the specification of a job.
enum JobRequest {
    static func spec(_ invocation: Invocation) throws(CommandError) -> JobSpec {
        let array = invocation.count("array")
        let asked = try gang(invocation)
        let gang = invocation.has("mpi") ? asked?.forMPI : asked
        let sandbox = try SandboxRequest.spec(invocation)
        let user = userName()
        let spec = JobSpec(
            name: invocation.text("name") ?? name(of: invocation.operands[0]),
            command: command(invocation, asked),
            environment: environment(invocation),
            user: user, uid: getuid(), gid: getgid(),
            runAs: invocation.text("run-as"),
            resources: try resources(invocation, times: invocation.has("mpi") ? asked?.tasksPerNode ?? 1 : 1),
            tasks: gang?.ranks ?? UInt32(array ?? 1),
            timeLimitMilliseconds: invocation.interval("time").map(milliseconds),
            graceMilliseconds: invocation.interval("grace").map(milliseconds) ?? 10_000,
            retry: retry(invocation),
            checkpoint: try checkpoint(invocation),
            outputs: invocation.texts("out"),
            // The daemon names its own node here.
            submitNode: NodeID(0),
            allowPending: invocation.has("allow-pending"),
            isArray: array != nil, sandbox: sandbox, gang: gang, hasInput: try hasInput(invocation),
            diskBytes: invocation.bytes("disk"))
        guard gang == nil || spec.tasks == 1 || spec.hasNetwork else {
            throw .conflict(
                message: SchedulerError.gangWithoutNetwork.message, hint: SchedulerError.gangWithoutNetwork.hint)
        }
        return spec
    }

    /// What comes on stdin comes once, to one reader.
    private static func hasInput(_ invocation: Invocation) throws(CommandError) -> Bool {
        guard invocation.has("input") else { return false }
        let why = [
            "array": "one input cannot be read by many tasks", "nodes": "one input cannot be read by many tasks",
            "tasks-per-node": "one input cannot be read by many tasks",
            "detach": "a detached job has nobody here who reads stdin for it",
        ]
        for flag in ["array", "nodes", "tasks-per-node", "detach"] where invocation.has(flag) {
            throw .conflict(message: "--input and --\(flag): \(why[flag] ?? "")", hint: "leave out one of them")
        }
        guard invocation.text("retry").map({ $0 == "never" || $0 == "0" }) ?? true else {
            throw .conflict(
                message: "--input and --retry: what a job has read does not come again", hint: "leave out one of them")
        }
        return true
    }

    /// Nil where neither nodes nor tasks on each were asked for.
    private static func gang(_ invocation: Invocation) throws(CommandError) -> GangSpec? {
        guard invocation.has("nodes") || invocation.has("tasks-per-node") || invocation.has("mpi") else { return nil }
        guard !invocation.has("mpi") || invocation.text("profile") != "none" else {
            throw .conflict(
                message: "--mpi needs a sandbox, in which mpirun finds the way to the other hosts",
                hint: "leave out --profile none")
        }
        let word = invocation.has("mpi") && !invocation.has("nodes") ? "--mpi" : "--nodes"
        for flag in ["array", "here"] where invocation.has(flag) {
            throw .conflict(
                message: flag == "here"
                    ? "\(word) asks for nodes of a mesh, and --here is on this host alone"
                    : "\(word) starts all tasks together, --array each when there is room for it",
                hint: "leave out one of them")
        }
        let nodes = UInt32(invocation.count("nodes") ?? 1)
        let tasks = UInt32(invocation.count("tasks-per-node") ?? 1)
        guard let gang = GangSpec(nodes: nodes, tasksPerNode: tasks) else {
            throw .conflict(
                message: "\(nodes) nodes with \(tasks) tasks each are more than \(GangSpec.ranksMax) tasks",
                hint: "ask for fewer, and let each start more: see torchrun --nproc-per-node")
        }
        return gang
    }

    /// On every host one task, which holds all the processes there.
    private static func command(_ invocation: Invocation, _ gang: GangSpec?) -> [String] {
        guard invocation.has("mpi"), let gang else { return invocation.operands }
        return [GangDoor.programPath, "mpi", "--slots", "\(gang.tasksPerNode)", "--"] + invocation.operands
    }

    /// - Parameter count: how many processes one task holds; what was typed counts for each of them.
    private static func resources(_ invocation: Invocation, times count: UInt32) throws(CommandError) -> Resources {
        let gpus = UInt32(invocation.count("gpus") ?? 0)
        let gpuMemory = invocation.bytes("gpu-mem")
        guard gpuMemory == nil || gpus > 0 else {
            throw .conflict(
                message: "--gpu-mem says how large a GPU must be, but no GPU is asked for", hint: "add: --gpus 1")
        }
        let cpus = (invocation.count("cpus") ?? 1000).multipliedReportingOverflow(by: UInt64(count))
        let memory = (invocation.bytes("mem") ?? 0).multipliedReportingOverflow(by: UInt64(count))
        guard !cpus.overflow, !memory.overflow else {
            throw .conflict(
                message: "no host holds \(count) times what is asked for each process",
                hint: "ask for less, or for fewer")
        }
        return Resources(
            cpuMillis: cpus.partialValue, memoryBytes: invocation.has("mem") ? memory.partialValue : nil,
            gpus: gpus * count, gpuMemoryBytes: gpuMemory)
    }

    private static func checkpoint(_ invocation: Invocation) throws(CommandError) -> CheckpointPolicy? {
        guard let directory = invocation.text("checkpoint") else {
            for flag in ["checkpoint-every", "keep-checkpoints"] where invocation.has(flag) {
                throw .conflict(message: "--\(flag) needs a directory to look into", hint: "add: --checkpoint DIR")
            }
            return nil
        }
        var policy = CheckpointPolicy(directory: directory)
        if let every = invocation.interval("checkpoint-every") {
            policy.everyMilliseconds = milliseconds(every)
            // Whoever says how often promises that the directory holds nothing but checkpoints: every file counts.
            policy.patterns = []
        }
        if let keep = invocation.count("keep-checkpoints") { policy.keep = UInt32(keep) }
        return policy
    }

    private static func retry(_ invocation: Invocation) -> RetryPolicy {
        if invocation.has("input") { return .never }
        guard let text = invocation.text("retry") else { return .times(0) }
        // The parser has let through only a number or the word.
        return UInt32(text).map { .times($0) } ?? .never
    }

    /// Sorted by name; a bare name passes on the value it has here, if it has one.
    private static func environment(_ invocation: Invocation) -> [Label] {
        let pairs = invocation.pairs("env").compactMap { pair -> ParsedValue.Pair? in
            guard let value = pair.value ?? Environment.value(pair.name) else { return nil }
            return ParsedValue.Pair(name: pair.name, value: value)
        }
        return Labels.sorted(pairs)
    }

    /// `python3` of `/usr/bin/python3 train.py`.
    private static func name(of command: String) -> String {
        command.split(separator: "/").last.map(String.init) ?? command
    }

    private static func userName() -> String {
        guard let entry = getpwuid(getuid()), let name = entry.pointee.pw_name else { return "\(getuid())" }
        return String(cString: name)
    }

    private static func milliseconds(_ interval: Interval) -> UInt64 {
        UInt64(max(1, (interval.nanoseconds + 999_999) / 1_000_000))
    }
}
