import Glibc

/// Where on this host groups for attempts can be made, and what they can limit there.
///
/// Groups are made below the group this process is in, as a service with delegated control is expected to do. Version 1
/// and version 2 may both be mounted, each with other controllers: every purpose is served by whichever has it, freezing and
/// killing by version 2 where it exists.
struct CgroupHierarchies: Sendable {
    enum Controller: String, CaseIterable, Sendable {
        case memory, cpu, pids, freezer
    }

    /// Directory of version 1 groups per controller; several may name the same one.
    private(set) var legacy: [Controller: String] = [:]
    /// Directory of version 2 groups, if that can be written.
    private(set) var unified: String?
    /// What version 2 groups below `unified` can limit.
    private(set) var unifiedControllers: Set<Controller> = []

    init() {}

    /// Hierarchies that are known.
    init(legacy: [Controller: String], unified: String?, unifiedControllers: Set<Controller>) {
        self.legacy = legacy
        self.unified = unified
        self.unifiedControllers = unifiedControllers
    }

    static let directoryName = "swarmlet"

    /// Looks, makes the parent directory for groups, and enables controllers in it. What fails is simply not there.
    static func probe() -> CgroupHierarchies {
        var found = CgroupHierarchies()
        let mounts: [CgroupMount]
        let own: [String: String]
        do {
            mounts = CgroupMount.parse(try HostFiles.readText("/proc/self/mountinfo"))
            own = membership(try HostFiles.readText("/proc/self/cgroup"))
        } catch { return found }
        for mount in mounts where mount.version == 2 {
            guard let path = own[""] else { continue }
            found.useUnified(mount: mount, ownPath: path)
        }
        for controller in Controller.allCases where !found.unifiedControllers.contains(controller) {
            guard let path = own[controller.rawValue] else { continue }
            for mount in mounts where mount.version == 1 && mount.controllers.contains(controller.rawValue) {
                let directory = "\(mount.directory(of: path))/\(directoryName)"
                if makeDirectory(directory) { found.legacy[controller] = directory }
            }
        }
        return found
    }

    var canLimitMemory: Bool { unifiedControllers.contains(.memory) || legacy[.memory] != nil }
    var canLimitCPU: Bool { unifiedControllers.contains(.cpu) || legacy[.cpu] != nil }
    var canLimitProcesses: Bool { unifiedControllers.contains(.pids) || legacy[.pids] != nil }
    var canFreeze: Bool { unified != nil || legacy[.freezer] != nil }

    /// Every directory that groups are made in, once each.
    var bases: [String] {
        var bases = unified.map { [$0] } ?? []
        for controller in Controller.allCases {
            if let base = legacy[controller], !bases.contains(base) { bases.append(base) }
        }
        return bases
    }

    /// In words, for doctor.
    var description: String {
        let versions = [unified == nil ? nil : "v2", legacy.isEmpty ? nil : "v1"].compactMap { $0 }
        return versions.isEmpty ? "no cgroups" : "cgroup " + versions.joined(separator: " and ")
    }

    private mutating func useUnified(mount: CgroupMount, ownPath: String) {
        // The leaf that an earlier look of this service may have moved it into.
        let suffix = "/\(Self.directoryName)-daemon"
        let servicePath = ownPath.hasSuffix(suffix) ? String(ownPath.dropLast(suffix.count)) : ownPath
        let service = mount.directory(of: servicePath)
        let base = "\(service)/\(Self.directoryName)"
        guard Self.makeDirectory(base), access("\(base)/cgroup.procs", W_OK) == 0 else { return }
        unified = base
        let offered = Self.words("\(service)/cgroup.controllers")
        for controller in [Controller.memory, .cpu, .pids] where offered.contains(controller.rawValue) {
            if Self.enable(controller, in: service) && Self.enable(controller, in: base) {
                unifiedControllers.insert(controller)
            }
        }
        unifiedControllers.insert(.freezer)
    }

    /// A group with processes of its own may not hand controllers down, so they move into a leaf first.
    private static func enable(_ controller: Controller, in directory: String) -> Bool {
        let switches = "\(directory)/cgroup.subtree_control"
        if words(switches).contains(controller.rawValue) { return true }
        if write("+\(controller.rawValue)", to: switches) { return true }
        let leaf = "\(directory)/\(directoryName)-daemon"
        guard makeDirectory(leaf) else { return false }
        for process in words("\(directory)/cgroup.procs") where !write(process, to: "\(leaf)/cgroup.procs") {
            return false
        }
        return write("+\(controller.rawValue)", to: switches)
    }

    /// Own path per controller; the empty name is version 2.
    private static func membership(_ text: String) -> [String: String] {
        var paths: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            for name in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
                paths[String(name)] = String(parts[2])
            }
        }
        return paths
    }

    private static func makeDirectory(_ path: String) -> Bool {
        (mkdir(path, 0o755) == 0 || errno == EEXIST) && access(path, W_OK) == 0
    }

    private static func words(_ path: String) -> [String] {
        do { return try HostFiles.readText(path).split { $0 == " " || $0 == "\n" }.map(String.init) } catch {
            return []
        }
    }

    private static func write(_ text: String, to path: String) -> Bool {
        do {
            try HostFiles.write(text, to: path)
            return true
        } catch { return false }
    }
}
