import CLinux
import Glibc

/// What this host has for jobs, and what it is called.
public struct HostInventory: Hashable, Sendable {
    public var hostName: String
    /// CPUs that this process may use.
    public var cpus: UInt32
    /// Of the host, or of the control group this process is confined to, whichever is smaller.
    public var memoryBytes: UInt64
    /// Release of the kernel, "6.1.0-18-amd64".
    public var kernel: String
    /// "x86_64", "aarch64".
    public var architecture: String

    public static func current() -> HostInventory {
        var names = utsname()
        uname(&names)
        return HostInventory(
            hostName: shortName(text(&names.nodename)), cpus: UInt32(max(clinux_cpu_count(), 1)),
            memoryBytes: min(totalMemory(), confinedMemory()), kernel: text(&names.release),
            architecture: text(&names.machine))
    }

    /// The first label: a node is named `owl`, not `owl.lab.example.org`.
    private static func shortName(_ name: String) -> String {
        String(name.prefix { $0 != "." })
    }

    private static func totalMemory() -> UInt64 {
        UInt64(sysconf(Int32(_SC_PHYS_PAGES))) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// The limit of a container or a service, where there is one.
    private static func confinedMemory() -> UInt64 {
        let own: String
        let mounts: [CgroupMount]
        do throws(HostError) {
            own = try HostFiles.readText("/proc/self/cgroup")
            mounts = CgroupMount.parse(try HostFiles.readText("/proc/self/mountinfo"))
        } catch { return .max }
        var smallest = UInt64.max
        for line in own.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[1].isEmpty || parts[1] == "memory" else { continue }
            let version = parts[1].isEmpty ? 2 : 1
            let file = version == 2 ? "memory.max" : "memory.limit_in_bytes"
            for mount in mounts
            where mount.version == version && (version == 2 || mount.controllers.contains("memory")) {
                smallest = min(smallest, limit("\(mount.directory(of: String(parts[2])))/\(file)"))
            }
        }
        return smallest
    }

    private static func limit(_ path: String) -> UInt64 {
        // "max", a missing file and an unreadable one all mean that nothing is limited here.
        do { return UInt64(try HostFiles.readText(path).prefix { $0 != "\n" }) ?? .max } catch { return .max }
    }

    private static func text<Tuple>(_ field: inout Tuple) -> String {
        withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
