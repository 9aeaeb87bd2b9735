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
    /// Its place in its gang, once all ranks could begin; nil before, and of a job that is no gang.
    var seat: GangSeat?
    /// What it may keep on disk, once that has been found out; nil: no limit.
    var diskBytes: UInt64?
    /// The root that it brings, once that has been found on this host.
    var image: ImageRoot?
    /// Of a rank of a gang: its way to the other hosts.
    var door: GangDoor?
    /// Where members of the mesh listen, `HOST:PORT`.
    var meshAddresses: [String] = []

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

    /// Where the job finds it: with a setup always in the same place, so that what was set up for one job works for the next;
    /// and the ranks of a gang all in the same, so that a name that one gives another means the same there.
    var seenDirectory: String { hasPlace ? SetupService.place : workingDirectory }
    private var hasPlace: Bool { (hasOwnPrograms || job.gang != nil) && profile != .none }
    private var hasOwnPrograms: Bool { job.sandbox?.setup != nil || job.sandbox?.image != nil }

    static func logPath(_ key: AttemptKey, in directory: DataDirectory) -> String {
        "\(directory.logs)/\(key.job)/\(key.task).\(key.attempt)"
    }

    /// Whose checkpoints it goes on from: those of rank 0 are the gang's.
    var checkpointTask: TaskKey { job.gang == nil ? key.taskKey : TaskKey(job: key.job, index: 0) }
    /// Whether what it saves and leaves is kept: of a gang only what rank 0 does.
    var isKept: Bool { job.gang == nil || key.task == 0 }

    /// Whether files of it are results.
    var hasOutputs: Bool { isKept && !job.outputs.isEmpty }

    /// Where the job finds the place for what it can go on from; always there, so that a job need not ask whether it is wanted.
    var checkpointDirectory: String {
        hasCheckpointElsewhere ? checkpointName : "\(seenDirectory)/\(checkpointName)"
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
        if profile == .strict { return strictUser }
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

    /// How far it is kept apart from this host.
    var profile: SandboxProfile { job.sandbox?.profile ?? .standard }

    /// Members have the network where nothing is said, strangers have not.
    private var network: NetworkAccess {
        let asked = job.sandbox?.network ?? (profile == .strict ? .off : .on)
        // Who took the job has refused that; this node does not trust it.
        return profile == .strict && asked == .setupOnly && job.sandbox?.setup == nil ? .off : asked
    }
    /// It reaches other networks through a proxy alone: a stranger is never in the network of a host, where what listens on
    /// the loopback believes whom it finds there. The ranks of a gang, which only members have, meet in that of their hosts.
    var hasProxy: Bool { profile == .strict && network != .off && job.gang == nil }

    /// A user that nobody else is: no account of the host, and the same for the tasks of one job alone. The numbers are
    /// of a range that systemd leaves unused (systemd.io/UIDS-GIDS).
    private var strictUser: JobUser {
        let number = 0x7100_0000 + UInt32(key.job % 0x00E0_0000)
        return JobUser(user: number, group: number)
    }

    /// Who it is to itself, where that was asked for.
    private var insideUser: JobUser? {
        job.sandbox?.user.map { JobUser(user: $0, group: job.sandbox?.group ?? $0) }
    }

    /// Whom it runs as, looked up in the host's list of users.
    func lookedUpAccount() throws -> Account {
        let user = try user()
        if profile == .strict { return Account(user: user, name: "job", home: nil) }
        let number = user?.user ?? geteuid()
        return Account(user: user, name: Accounts.name(of: number) ?? "nobody", home: Accounts.home(of: number))
    }

    private func kept(
        on host: HostCapabilities, _ policy: HostPolicy, _ devices: [String]
    ) throws -> (Isolation, AttemptSandbox?) {
        let asked = job.sandbox ?? SandboxSpec()
        guard profile >= policy.leastProfile else {
            throw NodeError.profileTooWeak(profile, node: nodeName, least: policy.leastProfile)
        }
        if let why = host.refusal(of: profile) {
            throw NodeError.profileUnavailable(profile, node: nodeName, reason: why)
        }
        // The node that took the job has said no already; this one does not trust it.
        let mayBeRoot = job.uid == 0 && job.guest == nil
        if let number = insideUser, number.user == 0 || number.group == 0, !mayBeRoot { throw NodeError.rootNotAsked }
        guard profile != .none else { return (.group, nil) }
        let sandbox = AttemptSandbox(
            profile: profile, network: network, hidden: hidden,
            mounts: try asked.mounts.map { try allowed($0, policy) }, devices: devices,
            place: hasPlace ? seenDirectory : nil, image: image, door: door,
            meshAddresses: hasProxy ? meshAddresses : nil)
        // Another user is one only in a user namespace.
        return (insideUser == nil ? host.isolation(for: profile) : .userNamespace, sandbox)
    }

    /// Where the image is without links, for a job that may have it.
    func imagePath(_ policy: HostPolicy) throws -> String? {
        guard let path = job.sandbox?.image else { return nil }
        guard let real = HostFiles.realPath(path) else {
            throw NodeError.imageRefused(path, node: nodeName, reason: "it is not there")
        }
        let mount = MountRequest(source: real, target: "/", isWritable: false)
        if let why = policy.refusal(of: mount, hidden: hidden.compactMap(HostFiles.realPath)) {
            throw NodeError.imageRefused(path, node: nodeName, reason: why)
        }
        return real
    }

    /// The mount as it is without links, so that what is looked at here is what will be mounted.
    private func allowed(_ mount: MountRequest, _ policy: HostPolicy) throws -> MountRequest {
        guard let real = HostFiles.realPath(mount.source) else {
            throw NodeError.mountRefused(mount.source, node: nodeName, reason: "it is not there")
        }
        var found = mount
        found.source = real
        if let why = policy.refusal(of: found, hidden: hidden.compactMap(HostFiles.realPath)) {
            throw NodeError.mountRefused(mount.source, node: nodeName, reason: why)
        }
        return found
    }

    /// The daemon's keys and its socket, and what other jobs have here. A daemon that is not root runs everybody's jobs
    /// as its own user, whose keys are nobody else's.
    private var hidden: [String] {
        var paths = [directory.path]
        if geteuid() != 0, let home = Accounts.home(of: geteuid()) {
            paths += AttemptPlan.secrets.map { "\(home)/\($0)" }
        }
        return paths
    }

    private static let secrets = [
        ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".git-credentials", ".pgpass",
        ".config/gcloud", ".config/gh", ".config/rclone", ".password-store", ".local/share/keyrings",
    ]

    private static let searchPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

    /// Installers that would write to the home directory, which nobody can write to, write to the working directory, where it
    /// is kept; what they have downloaded is for one attempt.
    private static let setupDefaults = [
        ("PATH", "\(SetupService.place)/.local/bin:\(searchPath)"), ("PYTHONUSERBASE", "\(SetupService.place)/.local"),
        ("PIP_BREAK_SYSTEM_PACKAGES", "1"), ("UV_CACHE_DIR", "/tmp/uv-cache"), ("npm_config_cache", "/tmp/npm-cache"),
    ]

    /// There is no standard for them: some programs look for one spelling, some for the other.
    private static let proxyDefaults: [(String, String)] =
        ["http_proxy", "https_proxy", "all_proxy"].map { ($0, "http://127.0.0.1:\(AttemptProxy.port)") }
        .flatMap { [$0, ($0.0.uppercased(), $0.1)] }
        + ["no_proxy", "NO_PROXY"].map { ($0, "localhost,127.0.0.1,::1") }

    func environment(_ account: Account) -> [String] {
        var variables: [(String, String)] = [
            ("PATH", AttemptPlan.searchPath),
            ("HOME", account.home ?? seenDirectory), ("PWD", seenDirectory), ("TMPDIR", "/tmp"),
            ("LANG", "C.UTF-8"), ("USER", account.name),
        ]
        if hasPlace, hasOwnPrograms { variables += AttemptPlan.setupDefaults }
        if hasProxy { variables += AttemptPlan.proxyDefaults }
        if let seat { variables += seat.defaults }
        variables += job.environment.map { ($0.name, $0.value) }
        if let seat {
            let hostFile = "\(seenDirectory)/\(GangSeat.hostFileName)"
            variables += seat.environment(of: key, ownGPUs: gpus.count, hostFile: hostFile)
            if door != nil { variables.append(("SWARMLET_AGENT", GangDoor.agentPath)) }
        }
        variables += [
            ("SWARMLET_JOB_ID", "\(key.job)"), ("SWARMLET_TASK_ID", "\(key.task)"),
            ("SWARMLET_TASKS", "\(job.tasks)"), ("SWARMLET_ATTEMPT", "\(key.attempt)"),
            // Somebody outside the mesh learns nothing of who its members are.
            ("SWARMLET_NODE", job.guest == nil ? nodeName : ""),
            ("SWARMLET_CHECKPOINT_DIR", checkpointDirectory),
            ("SWARMLET_GPUS", gpus.map { "\($0.index)" }.joined(separator: ",")),
            // Simulated devices are no devices of CUDA's: a job must find none rather than somebody else's.
            // By UUID, because indices change their meaning between programs (CUDA C++ guide, environment variables).
            ("CUDA_VISIBLE_DEVICES", Self.uuids(of: visibleGPUs, .nvidia)),
            ("ROCR_VISIBLE_DEVICES", Self.uuids(of: visibleGPUs, .amd)),
        ]
        if gpus.contains(where: \.simulated) { variables.append(("SWARMLET_GPUS_SIMULATED", "1")) }
        if attempt.resumedFrom != nil { variables.append(("SWARMLET_RESUME", "1")) }
        var last: [String: Int] = [:]
        for (index, variable) in variables.enumerated() { last[variable.0] = index }
        return variables.enumerated().filter { last[$0.element.0] == $0.offset }
            .map { "\($0.element.0)=\($0.element.1)" }
    }

    /// The devices that its process finds, in their order.
    var visibleGPUs: [GPU] {
        guard let seat, seat.seesAllDevices else { return gpus }
        return seat.gpus
    }

    private static func uuids(of gpus: [GPU], _ maker: GPU.Maker) -> String {
        gpus.filter { !$0.simulated && $0.maker == maker }.map(\.uuid).joined(separator: ",")
    }

    /// Throws where the host cannot give what the job asks for, or its owner does not let it.
    ///
    /// - Parameter devices: the files of the devices that it was given.
    func spec(on host: HostCapabilities, _ policy: HostPolicy, devices: [String]) throws -> AttemptSpec {
        let account = try account ?? lookedUpAccount()
        let (isolation, sandbox) = try kept(on: host, policy, devices)
        var writable: [String] = []
        if hasCheckpointElsewhere { writable.append(checkpointDirectory) }
        return AttemptSpec(
            key: key, arguments: job.command, environment: environment(account),
            workingDirectory: workingDirectory, writableDirectories: writable,
            // Inside its user namespace it has a number of its own, whoever it is outside.
            user: account.user ?? (profile == .strict ? strictUser : nil), insideUser: insideUser,
            cpuMillis: attempt.cpuMillis, memoryBytes: attempt.memoryBytes,
            diskBytes: diskBytes ?? 0,
            timeLimit: job.timeLimitMilliseconds.map { Interval.milliseconds(Int64(clamping: $0)) },
            grace: .milliseconds(Int64(clamping: job.graceMilliseconds)), isolation: isolation, sandbox: sandbox,
            setup: job.sandbox?.setup.map { ["/bin/sh", "-c", $0] } ?? [],
            gpus: attempt.gpus,
            replaceable: job.retry != .never, logPath: AttemptPlan.logPath(key, in: directory),
            hasInput: job.hasInput)
    }
}
