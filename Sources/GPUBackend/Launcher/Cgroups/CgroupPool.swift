/// The groups of one supervisor.
final class CgroupPool {
    private let hierarchies: CgroupHierarchies
    private let prefix: String
    private var idle: [Cgroup] = []
    private var made = 0

    /// `prefix` is unique on this host: it names the supervisor.
    init(hierarchies: CgroupHierarchies, prefix: String) {
        self.hierarchies = hierarchies
        self.prefix = prefix
    }

    var enforcesMemory: Bool { hierarchies.canLimitMemory }

    /// A group with these limits, or nil where this host has none.
    func take(_ limits: Cgroup.Limits) throws(HostError) -> Cgroup? {
        guard hierarchies.unified != nil || !hierarchies.legacy.isEmpty else { return nil }
        if let group = idle.popLast() {
            try group.prepare(limits)
            return group
        }
        made += 1
        let group = try Cgroup(name: "\(prefix).\(made)", in: hierarchies)
        try group.prepare(limits)
        return group
    }

    /// Empty again, to be used for a later attempt.
    func giveBack(_ group: Cgroup) { idle.append(group) }

    func removeAll() {
        for group in idle { group.remove() }
        idle = []
    }
}
