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
    }

    /// One line of `doctor`: name of the check, whether it holds, detail.
    public struct Check: Hashable, Sendable {
        public var name: String
        public var holds: Bool
        public var detail: String
    }

    /// For `doctor`.
    public var checks: [Check] {
        let namespaces =
            switch isolation {
            case .namespaces: "namespaces (pid, mount, ipc), host root read-only, no capabilities"
            case .userNamespace: "user, pid, mount and ipc namespaces, host root read-only, no capabilities"
            case .group: "process group only: \(isolationLimit ?? "no namespaces")"
            }
        let limits = [
            enforcesMemory ? "memory enforced" : "memory watched", enforcesCPU ? "cpu enforced" : "cpu not limited",
            enforcesProcessCount ? "processes limited" : "processes not limited",
            freezesByCgroup ? "freezer" : "freezing by SIGSTOP",
        ]
        return [
            Check(name: "sandbox", holds: isolation != .group, detail: namespaces),
            Check(
                name: "limits", holds: enforcesMemory && enforcesCPU,
                detail: "\(cgroups): \(limits.joined(separator: ", "))"),
        ]
    }

    /// For `up`: what is weaker on this host than a person would expect, one sentence each.
    public var warnings: [String] {
        var warnings: [String] = []
        let because = isRoot ? "" : "not root: "
        if isolation == .group {
            warnings.append("\(because)jobs are not kept apart from this host (\(isolationLimit ?? "no namespaces"))")
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
    static func refusal(of isolation: Isolation) -> String? {
        let spec = AttemptSpec(
            key: AttemptKey(job: 0, task: 0, attempt: 0), arguments: ["/bin/true"], environment: [],
            workingDirectory: "/tmp", user: geteuid() == 0 ? nobody : nil, isolation: isolation, logPath: "/")
        do throws(HostError) {
            let process = try AttemptProcess.clone(spec)
            defer { process.closeAll() }
            if isolation == .userNamespace { try process.mapUsers() }
            process.send(CLINUX_ORDER_GO)
            return process.waitForRefusal()
        } catch { return error.message }
    }
}
