import Glibc

/// The groups of one supervisor.
final class CgroupPool {
    private let hierarchies: CgroupHierarchies
    private let prefix: String
    private var idle: [Cgroup] = []
    private var made = 0

    /// Groups are named after the supervisor, `sPROCESS.N`. Those of supervisors that were killed are removed.
    init(hierarchies: CgroupHierarchies) {
        self.hierarchies = hierarchies
        prefix = "s\(getpid())"
        for base in hierarchies.bases { Self.sweep(base) }
    }

    private static func sweep(_ base: String) {
        let names: [String]
        do throws(HostError) { names = try HostFiles.names(in: base) } catch { return }
        for name in names where name.hasPrefix("s") {
            guard let process = Int32(name.dropFirst().prefix { $0 != "." }) else { continue }
            // A group that still holds something is not removed by this call.
            if kill(process, 0) < 0 && errno == ESRCH { rmdir("\(base)/\(name)") }
        }
    }

    /// Makes one ahead, so that the first attempt finds it. What fails now is said when an attempt asks.
    func warm() {
        guard idle.isEmpty, hierarchies.unified != nil || !hierarchies.legacy.isEmpty else { return }
        do throws(HostError) { idle.append(try make()) } catch {}
    }

    var enforcesMemory: Bool { hierarchies.canLimitMemory }

    /// A group with these limits, or nil where this host has none.
    func take(_ limits: Cgroup.Limits) throws(HostError) -> Cgroup? {
        guard hierarchies.unified != nil || !hierarchies.legacy.isEmpty else { return nil }
        if let group = idle.popLast() {
            try group.prepare(limits)
            return group
        }
        let group = try make()
        try group.prepare(limits)
        return group
    }

    private func make() throws(HostError) -> Cgroup {
        made += 1
        return try Cgroup(name: "\(prefix).\(made)", in: hierarchies)
    }

    /// Empty again, to be used for a later attempt.
    func giveBack(_ group: Cgroup) { idle.append(group) }

    func removeAll() {
        for group in idle { group.remove() }
        idle = []
    }
}
