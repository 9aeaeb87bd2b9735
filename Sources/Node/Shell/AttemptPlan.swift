import Codec
import GPUBackend
import Glibc
import Scheduler

/// How one attempt is started on this host: its directories, its environment, its user and its limits.
struct AttemptPlan: Sendable {
    let key: AttemptKey
    let job: JobSpec
    let attempt: Attempt
    let directory: DataDirectory
    let nodeName: String
    let gpus: [GPU]
    /// Whom it runs as, where that was looked up for another attempt of the job.
    var account: Account?

    /// The user of a job on this host.
    struct Account: Sendable {
        var user: JobUser?
        var name: String
        /// nil: there is none, or it is not on this host.
        var home: String?
    }

    /// `/…/work/42.0.1`: job, task, attempt.
    var workingDirectory: String { AttemptPlan.workingDirectory(key, in: directory) }

    static func workingDirectory(_ key: AttemptKey, in directory: DataDirectory) -> String {
        "\(directory.work)/\(key.job).\(key.task).\(key.attempt)"
    }

    static func logPath(_ key: AttemptKey, in directory: DataDirectory) -> String {
        "\(directory.logs)/\(key.job)/\(key.task).\(key.attempt)"
    }

    /// Where the job writes what it can go on from; always there, so that a job need not ask whether it is wanted.
    var checkpointDirectory: String {
        hasCheckpointElsewhere ? checkpointName : "\(workingDirectory)/\(checkpointName)"
    }

    /// As it was asked for: absolute, or below the working directory.
    var checkpointName: String { job.checkpoint?.directory ?? ".swarmlet-checkpoint" }
    /// Whether checkpoints are kept outside the working directory.
    var hasCheckpointElsewhere: Bool { checkpointName.hasPrefix("/") }

    /// Whom it runs as. A daemon that is not root can only run it as itself.
    ///
    /// Never root unless root asked for it: root's own jobs run as `nobody` otherwise. A submitter who has no account
    /// on this host runs as `nobody` too, never as somebody else who happens to have the same number.
    func user() throws -> JobUser? {
        if let account { return account.user }
        guard geteuid() == 0 else { return nil }
        if let name = job.runAs {
            if name == "root" {
                guard job.uid == 0 else { throw NodeError.rootNotAsked }
                return JobUser(user: 0, group: 0)
            }
            guard job.uid == 0 || name == job.user else {
                throw NodeError.denied(user: job.user, what: "run jobs as \(name)")
            }
            guard let account = Accounts.user(named: name) else {
                throw NodeError.userUnknown(name, node: nodeName)
            }
            guard account.user != 0 else { throw NodeError.rootNotAsked }
            return account
        }
        if job.uid != 0, let account = Accounts.user(named: job.user), account.user != 0 { return account }
        return Accounts.user(named: "nobody") ?? JobUser(user: 65534, group: 65534)
    }

    /// Whom it runs as, looked up in the host's list of users.
    func lookedUpAccount() throws -> Account {
        let user = try user()
        let number = user?.user ?? geteuid()
        return Account(user: user, name: Accounts.name(of: number) ?? "nobody", home: Accounts.home(of: number))
    }

    func environment(_ account: Account) -> [String] {
        var variables: [(String, String)] = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"),
            ("HOME", account.home ?? workingDirectory), ("PWD", workingDirectory), ("TMPDIR", "/tmp"),
            ("LANG", "C.UTF-8"), ("USER", account.name),
        ]
        variables += job.environment.map { ($0.name, $0.value) }
        variables += [
            ("SWARMLET_JOB_ID", "\(key.job)"), ("SWARMLET_TASK_ID", "\(key.task)"),
            ("SWARMLET_TASKS", "\(job.tasks)"), ("SWARMLET_ATTEMPT", "\(key.attempt)"), ("SWARMLET_NODE", nodeName),
            ("SWARMLET_CHECKPOINT_DIR", checkpointDirectory),
            ("SWARMLET_GPUS", gpus.map { "\($0.index)" }.joined(separator: ",")),
            // Simulated devices are no devices of CUDA's: a job must find none rather than somebody else's.
            ("CUDA_VISIBLE_DEVICES", gpus.filter { !$0.simulated }.map(\.uuid).joined(separator: ",")),
        ]
        if gpus.contains(where: \.simulated) { variables.append(("SWARMLET_GPUS_SIMULATED", "1")) }
        if attempt.resumedFrom != nil { variables.append(("SWARMLET_RESUME", "1")) }
        var last: [String: Int] = [:]
        for (index, variable) in variables.enumerated() { last[variable.0] = index }
        return variables.enumerated().filter { last[$0.element.0] == $0.offset }
            .map { "\($0.element.0)=\($0.element.1)" }
    }

    func spec(isolation: Isolation) throws -> AttemptSpec {
        let account = try account ?? lookedUpAccount()
        var writable: [String] = []
        if hasCheckpointElsewhere { writable.append(checkpointDirectory) }
        return AttemptSpec(
            key: key, arguments: job.command, environment: environment(account),
            workingDirectory: workingDirectory, writableDirectories: writable, user: account.user,
            cpuMillis: attempt.cpuMillis, memoryBytes: attempt.memoryBytes,
            timeLimit: job.timeLimitMilliseconds.map { Interval.milliseconds(Int64(clamping: $0)) },
            grace: .milliseconds(Int64(clamping: job.graceMilliseconds)), isolation: isolation, gpus: attempt.gpus,
            replaceable: job.retry != .never, logPath: AttemptPlan.logPath(key, in: directory))
    }
}
