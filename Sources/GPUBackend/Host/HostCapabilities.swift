import CLinux
import Codec
import Glibc
import Scheduler

/// What this host lets swarmlet do for jobs, found by trying it.
public struct HostCapabilities: Hashable, Sendable {
    public var isRoot: Bool
    /// The strongest that works here; put it into every `AttemptSpec`.
    public var isolation: Isolation
    /// Why it is not `namespaces`, in words; nil where it is.
    public var isolationLimit: String?
    /// "cgroup v2", "cgroup v1", "cgroup v2 and v1", "no cgroups".
    public var cgroups: String
    public var enforcesMemory: Bool
    public var enforcesCPU: Bool
    public var enforcesProcessCount: Bool
    /// Freezes by the kernel's freezer; otherwise by SIGSTOP.
    public var freezesByCgroup: Bool
    /// Why attempts cannot be kept apart by the profile `standard` here; nil where they can.
    public var standardLimit: String?
    /// The same of `strict`.
    public var strictLimit: String?
    /// 0: none.
    public var landlockVersion: Int

    /// Tries, by making and ending one process for each kind of isolation until one works (some milliseconds).
    public static func probe() -> HostCapabilities {
        let hierarchies = CgroupHierarchies.probe()
        let isRoot = geteuid() == 0
        var isolation = Isolation.group
        var limit: String?
        for candidate in isRoot ? [Isolation.namespaces, .userNamespace] : [.userNamespace] {
            switch refusal(of: candidate) {
            case nil:
                isolation = candidate
                // A user namespace is all that a daemon without root is promised.
                return HostCapabilities(
                    isRoot: isRoot, isolation: isolation, isolationLimit: isRoot ? limit : nil, hierarchies)
            case let why?: limit = limit ?? why
            }
        }
        return HostCapabilities(isRoot: isRoot, isolation: .group, isolationLimit: limit, hierarchies)
    }

    private init(
        isRoot: Bool, isolation: Isolation, isolationLimit: String?, _ hierarchies: CgroupHierarchies
    ) {
        self.isRoot = isRoot
        self.isolation = isolation
        self.isolationLimit = isolationLimit
        cgroups = hierarchies.description
        enforcesMemory = hierarchies.canLimitMemory
        enforcesCPU = hierarchies.canLimitCPU
        enforcesProcessCount = hierarchies.canLimitProcesses
        freezesByCgroup = hierarchies.canFreeze
        landlockVersion = HostLayout.here.landlockVersion
        standardLimit = isolation == .group ? isolationLimit ?? "no namespaces" : nil
        standardLimit = standardLimit ?? Self.refusal(of: isolation, .standard)
        // A stranger's job that no kernel limit holds back could take the host from its owner.
        strictLimit =
            enforcesMemory && enforcesProcessCount
            ? Self.refusal(of: .userNamespace, .strict) : "no control group limits memory and processes here"
        if landlockVersion == 0 { strictLimit = strictLimit ?? "its kernel has no Landlock" }
    }

    /// Why a profile cannot be given here; nil where it can.
    public func refusal(of profile: SandboxProfile) -> String? {
        switch profile {
        case .none: nil
        case .standard: standardLimit
        case .strict: strictLimit
        }
    }

    /// What makes a profile that is not refused.
    public func isolation(for profile: SandboxProfile) -> Isolation {
        switch profile {
        case .none: .group
        case .standard: isolation
        case .strict: .userNamespace
        }
    }

    /// One line of `doctor`: name of the check, whether it holds, detail.
    public struct Check: Hashable, Sendable {
        public var name: String
        public var holds: Bool
        public var detail: String
    }

    /// For `doctor`.
    public var checks: [Check] {
        let landlock = landlockVersion > 0 ? ", Landlock \(landlockVersion)" : ", no Landlock"
        let layers = "\(isolation == .userNamespace ? "user " : "")namespaces\(landlock), seccomp"
        let sandbox =
            switch (strictLimit, standardLimit) {
            case (nil, nil): "strict: \(layers)"
            case (let strict?, nil): "standard: \(layers); strict: \(strict)"
            case (_, let standard?): "none: standard and strict: \(standard)"
            }
        let limits = [
            enforcesMemory ? "memory enforced" : "memory watched", enforcesCPU ? "cpu enforced" : "cpu not limited",
            enforcesProcessCount ? "processes limited" : "processes not limited",
            freezesByCgroup ? "freezer" : "freezing by SIGSTOP",
        ]
        return [
            Check(name: "sandbox", holds: standardLimit == nil, detail: sandbox),
            Check(
                name: "limits", holds: enforcesMemory && enforcesCPU,
                detail: "\(cgroups): \(limits.joined(separator: ", "))"),
        ]
    }

    /// For `up`: what is weaker on this host than a person would expect, one sentence each.
    public var warnings: [String] {
        var warnings: [String] = []
        let because = isRoot ? "" : "not root: "
        if let standardLimit {
            warnings.append("\(because)jobs are not kept apart from this host (\(standardLimit))")
        }
        if !enforcesMemory {
            warnings.append("\(because)memory limits are watched, not enforced, on this host")
        }
        if !enforcesCPU { warnings.append("\(because)CPU limits are not enforced on this host") }
        return warnings
    }

    /// A job of root's daemon runs as another user, so the try does too.
    private static let nobody = JobUser(user: 65534, group: 65534)

    /// Nil if a command runs in this isolation; otherwise why not.
    static func refusal(of isolation: Isolation, _ profile: SandboxProfile = .none) -> String? {
        let sandbox =
            profile == .none ? nil : AttemptSandbox(profile: profile, network: .off, hidden: ["/var/empty"])
        let spec = AttemptSpec(
            key: AttemptKey(job: 0, task: 0, attempt: 0), arguments: ["/bin/true"], environment: [],
            workingDirectory: "/tmp", user: geteuid() == 0 ? nobody : nil, isolation: isolation, sandbox: sandbox,
            logPath: "/")
        do throws(HostError) {
            let process = try AttemptProcess.clone(spec, in: AttemptProcess.sandbox(of: spec))
            defer { process.closeAll() }
            if isolation == .userNamespace { try process.mapUsers(of: spec) }
            process.send(CLINUX_ORDER_GO)
            return process.waitForRefusal()
        } catch { return error.message }
    }
}
