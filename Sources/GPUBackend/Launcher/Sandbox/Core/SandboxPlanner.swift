import Scheduler

/// Turns what a profile promises into the plan that keeps it on one host.
///
/// It decides what an attempt sees and may do, and nothing about how: it does no I/O. Two rules hold for every plan. What
/// is taken from the host is read-only unless it is the attempt's own. And a path that is hidden stays hidden, whatever is
/// put in beside it: what covers comes after what is covered, and the attempt's own directories come last.
struct SandboxPlanner {
    let spec: AttemptSpec
    let sandbox: AttemptSandbox
    let host: HostLayout
    /// Of `sandbox.image`.
    let image: ImageLayout

    init(
        _ spec: AttemptSpec, _ sandbox: AttemptSandbox, on host: HostLayout, image: ImageLayout = ImageLayout()
    ) {
        self.spec = spec
        self.sandbox = sandbox
        self.host = host
        self.image = image
    }

    var plan: SandboxPlan {
        let isStrict = sandbox.profile == .strict
        let handled = host.landlockVersion > 0 ? FileAccess.known(to: host.landlockVersion) : []
        let common = isStrict && sandbox.image == nil ? commonStrictSteps : []
        let steps = sandbox.image.map { imageSteps($0, isStrict) } ?? (isStrict ? strictSteps : standardSteps)
        return SandboxPlan(
            root: isStrict || sandbox.image != nil ? .own(options: "mode=0755,size=2m,nr_inodes=8192") : .host,
            steps: common + steps + doorSteps + ownSteps,
            commonCount: common.count,
            hasSingleUser: (isStrict || spec.insideUser != nil) && spec.isolation == .userNamespace,
            hasOwnNetwork: hasOwnNetwork,
            hasNetworkForSetup: sandbox.network == .setupOnly && (!hasOwnNetwork || hasProxy),
            proxyPort: hasProxy ? AttemptProxy.port : nil,
            hostName: isStrict ? "swarmlet" : nil,
            rules: handled.isEmpty ? [] : rules.map { .init(path: $0.path, access: $0.access.intersection(handled)) },
            handledAccess: handled,
            scopes: FileAccess.scopes(of: host.landlockVersion),
            limits: limits(isStrict),
            filter: isStrict ? .strict : .standard)
    }

    // MARK: Members: the host as it is, to read

    private var standardSteps: [SandboxPlan.Step] {
        var steps = deviceSteps(HostLayout.devices + HostLayout.memberDevices)
        steps += ownDeviceSteps(withTerminals: true)
        steps += HostLayout.temporary.filter(isDirectory).map { .memory(target: $0, options: temporaryOptions) }
        // Sockets of the host's services are in it, and a socket does not mind a read-only mount.
        for directory in ["/run", "/var/run"] where isDirectory(directory) {
            steps.append(.memory(target: directory, options: "mode=0755,size=64k,nr_inodes=64"))
        }
        steps += HostLayout.resolvers.filter(isThere).map { .tree(source: $0, target: $0, []) }
        steps.append(.processes(hidesOthers: false))
        if isRoot { steps += kernelSteps }
        return steps + hidingSteps { path in Self.emptied.contains { Self.holds($0, path) } }
    }

    /// What a standard plan puts something empty over.
    private static let emptied = HostLayout.temporary + ["/dev", "/run", "/var/run", "/proc"]

    // MARK: Strangers: an empty root with the host's programs in it

    /// Nothing of the attempt.
    private var commonStrictSteps: [SandboxPlan.Step] {
        var steps = HostLayout.programs.compactMap(copy) + HostLayout.settings.compactMap(copy)
        steps.append(.file(target: "/etc/nsswitch.conf", content: "passwd: files\ngroup: files\nhosts: files dns\n"))
        steps += nameSteps + deviceSteps(HostLayout.devices)
        steps += [.directory("/run"), .link(target: "/var/run", to: "/run"), .processes(hidesOthers: true)]
        return steps + kernelSteps
    }

    private var strictSteps: [SandboxPlan.Step] {
        var steps: [SandboxPlan.Step] = [
            .file(target: "/etc/passwd", content: passwords),
            .file(target: "/etc/group", content: "root:x:0:\njob:x:\((spec.insideUser ?? spec.user)?.group ?? 0):\n"),
        ]
        steps += ownDeviceSteps(withTerminals: false)
        steps += HostLayout.temporary.map { .memory(target: $0, options: temporaryOptions) }
        return steps + hidingSteps { path in !HostLayout.programs.contains { Self.holds($0, path) } }
    }

    private func copy(_ path: String) -> SandboxPlan.Step? {
        switch host.entries[path] {
        case .link(let text)?:
            // Of a link among settings what it leads to is meant; that may be nowhere in this root.
            HostLayout.programs.contains(path)
                ? .link(target: path, to: text) : .tree(source: path, target: path, [.optional])
        case .directory?, .file?: .tree(source: path, target: path, [])
        case nil: nil
        }
    }

    private var passwords: String {
        let user = spec.insideUser ?? spec.user ?? JobUser(user: 0, group: 0)
        if user.user == 0 { return "root:x:0:0::\(spec.seenDirectory):/bin/sh\n" }
        return "root:x:0:0::/:/usr/sbin/nologin\njob:x:\(user.user):\(user.group)::\(spec.seenDirectory):/bin/sh\n"
    }

    // MARK: An image: a root of its own with somebody else's programs in it

    private func imageSteps(_ root: ImageRoot, _ isStrict: Bool) -> [SandboxPlan.Step] {
        let rights: SandboxPlan.TreeRights = root.isUnpacked ? [] : .asUser
        func steps(_ entries: [String: HostLayout.Entry], below parent: String, but made: Set<String>)
            -> [SandboxPlan.Step]
        {
            entries.keys.sorted().filter { !made.contains($0) }.map { name in
                let target = parent + "/" + name
                if case .link(let text)? = entries[name] { return .link(target: target, to: text) }
                return .tree(source: root.path + target, target: target, rights)
            }
        }
        var made = steps(image.top, below: "", but: ["dev", "etc", "proc", "run", "sys", "tmp"])
        made.append(.directory("/etc"))
        made += steps(image.settings, below: "/etc", but: ["hosts", "resolv.conf"]) + nameSteps
        if image.settings["passwd"] == nil { made.append(.file(target: "/etc/passwd", content: passwords)) }
        made += deviceSteps(HostLayout.devices + (isStrict ? [] : HostLayout.memberDevices))
        made += ownDeviceSteps(withTerminals: !isStrict)
        made.append(.memory(target: "/tmp", options: temporaryOptions))
        if image.hasTemporary { made.append(.memory(target: "/var/tmp", options: temporaryOptions)) }
        return made + [.directory("/run"), .processes(hidesOthers: isStrict)] + kernelSteps
    }

    // MARK: What both have

    /// Where names are looked up: as the host does, where it can be asked.
    private var nameSteps: [SandboxPlan.Step] {
        guard hasOwnNetwork else {
            return HostLayout.resolverSettings.filter(isThere).map { .tree(source: $0, target: $0, [.optional]) }
        }
        return [.file(target: "/etc/hosts", content: "127.0.0.1 localhost swarmlet\n::1 localhost\n")]
    }

    private func deviceSteps(_ devices: [String]) -> [SandboxPlan.Step] {
        var steps: [SandboxPlan.Step] = [.memory(target: "/dev", options: "mode=0755,size=64k,nr_inodes=256")]
        steps += devices.filter(isThere).map { .tree(source: $0, target: $0, [.devices]) }
        return steps
            + [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")].map {
                .link(target: "/dev/\($0.0)", to: "/proc/self/fd\($0.1)")
            }
    }

    /// In the `/dev` of `deviceSteps`.
    private func ownDeviceSteps(withTerminals: Bool) -> [SandboxPlan.Step] {
        var steps = sandbox.devices.map { SandboxPlan.Step.tree(source: $0, target: $0, [.devices]) }
        steps.append(.memory(target: "/dev/shm", options: temporaryOptions))
        if withTerminals { steps += [.terminals, .link(target: "/dev/ptmx", to: "pts/ptmx")] }
        return steps
    }

    /// Files by which root steers the kernel, whatever it may not do otherwise.
    private var kernelSteps: [SandboxPlan.Step] {
        ["sys", "sysrq-trigger", "irq", "bus", "fs"].map { .readOnly("/proc/" + $0) }
            + ["acpi", "kcore", "keys", "kmsg", "latency_stats", "sched_debug", "scsi", "timer_list"].map {
                .hide("/proc/" + $0)
            }
    }

    /// An empty directory where the way to something of the attempt's own leads through it, else something that cannot
    /// be written to.
    private func hidingSteps(_ isHidden: (String) -> Bool) -> [SandboxPlan.Step] {
        Set(sandbox.hidden).sorted().filter { !isHidden($0) }.map { path in
            let leadsFurther = (ownDirectories.map(\.target) + sandbox.mounts.map(\.target)).contains {
                Self.holds(path, $0)
            }
            return leadsFurther
                ? .memory(target: path, options: "mode=0755,size=64k,nr_inodes=64") : .hide(path)
        }
    }

    /// Parents before children: a later mount would cover an earlier one inside it.
    private var ownSteps: [SandboxPlan.Step] {
        let mounts = sandbox.mounts.map { mount -> SandboxPlan.Step in
            .tree(source: mount.source, target: mount.target, mount.isWritable ? [.writable, .asUser] : .asUser)
        }
        let own = ownDirectories.map { SandboxPlan.Step.tree(source: $0.source, target: $0.target, .writable) }
        // What is the attempt's own wins over a mount of the same place.
        return (mounts.filter { mount in !own.contains { $0.target == mount.target } } + own)
            .sorted { $0.target < $1.target }
    }

    /// Beside what the host or an image has in `/run`, which no job sees.
    private var doorSteps: [SandboxPlan.Step] {
        guard let door = sandbox.door else { return [] }
        return [
            .tree(source: door.directory, target: GangDoor.doorPath, []),
            .tree(source: door.program, target: GangDoor.programPath, []),
            .link(target: GangDoor.agentPath, to: "swarmlet"),
        ]
    }

    private var ownDirectories: [(source: String, target: String)] {
        [(spec.workingDirectory, spec.seenDirectory)]
            + Set(spec.writableDirectories).subtracting([spec.workingDirectory]).sorted().map { ($0, $0) }
    }

    private var temporaryOptions: String {
        spec.memoryBytes > 0 ? "mode=1777,size=\(spec.memoryBytes)" : "mode=1777"
    }

    // MARK: Network

    private var hasOwnNetwork: Bool { sandbox.network == .off || hasProxy }
    private var hasProxy: Bool { sandbox.network != .off && sandbox.meshAddresses != nil }

    // MARK: Rules and limits

    private var rules: [SandboxPlan.FileRule] {
        var rules: [SandboxPlan.FileRule] = [
            .init(path: "/", access: .reading), .init(path: "/dev", access: .usingDevices),
            .init(path: "/proc", access: .usingDevices), .init(path: "/dev/shm", access: .owning),
        ]
        rules += HostLayout.temporary.map { .init(path: $0, access: .owning) }
        rules += sandbox.mounts.filter(\.isWritable).map { .init(path: $0.target, access: .owning) }
        return rules + ownDirectories.map { .init(path: $0.target, access: .owning) }
    }

    private func limits(_ isStrict: Bool) -> [SandboxPlan.Limit] {
        guard isStrict else { return [.coreBytes(0)] }
        return [.coreBytes(0), .processes(4_096), .openFiles(65_536), .lockedBytes(64 << 20)]
    }

    // MARK: Paths

    /// Or may be: nobody was named.
    private var isRoot: Bool { (spec.user?.user ?? 0) == 0 || spec.insideUser?.user == 0 }

    private func isThere(_ path: String) -> Bool { host.entries[path] != nil }
    private func isDirectory(_ path: String) -> Bool { host.entries[path] == .directory }

    /// Whether `path` is `directory` or below it.
    static func holds(_ directory: String, _ path: String) -> Bool {
        path == directory || path.hasPrefix(directory == "/" ? "/" : directory + "/")
    }
}
