import Glibc
import Scheduler

/// The control group of one attempt at a time: limits, what it used, freezing.
///
/// Making groups costs time, so a supervisor keeps a few and uses them again.
final class Cgroup {
    private typealias Controller = CgroupHierarchies.Controller

    private let directories: [Controller: String]
    private let unified: String?
    private let unifiedControllers: Set<Controller>
    /// Every directory once, in a fixed order. The first is made first, removed last, and claimed in between.
    private let all: [String]
    private let claim: CgroupClaim
    /// Open `tasks` of each of version 1: an attempt's first process moves itself through them.
    private(set) var doors: [Int32] = []
    /// The open directory of the group of version 2, in which an attempt is cloned.
    private(set) var birthplace: Int32?
    /// Open counters of version 1, read after every attempt.
    private var peak: Int32?
    private var kills: Int32?
    private var limits: Limits?
    /// The share of processors that is set; nil: none was.
    private var processorMillis: UInt64?
    private var oomKillsBefore: UInt64 = 0
    private var limitHitsBefore: UInt64 = 0
    private var readBefore: UInt64 = 0
    private var writtenBefore: UInt64 = 0
    /// Of version 2, whose peak can be reset through it since Linux 6.12.
    private var unifiedPeak: Int32?
    private var cpuMicrosecondsBefore: UInt64 = 0
    /// What is cloned into a group that was killed once is killed, too, by kernels that count kills (`kill_seq`, Linux 6.14).
    private(set) var wasKilled = false

    struct Limits: Hashable {
        /// 0 is no limit.
        var memoryBytes: UInt64
        /// 0 is no limit.
        var cpuMillis: UInt64
        var processes: UInt64
    }

    static let processLimit: UInt64 = 16384
    private static let periodMicroseconds: UInt64 = 100_000

    /// Makes the group; nil where that name is in use.
    ///
    /// - Parameter isMade: its directories are there already.
    init?(name: String, in hierarchies: CgroupHierarchies, isMade: Bool = false) throws(HostError) {
        directories = hierarchies.legacy.mapValues { "\($0)/\(name)" }
        all = hierarchies.bases.map { "\($0)/\(name)" }
        unified = hierarchies.unified.map { "\($0)/\(name)" }
        unifiedControllers = hierarchies.unifiedControllers
        guard let first = all.first, let claim = try isMade ? CgroupClaim.take(first) : CgroupClaim.make(first)
        else { return nil }
        self.claim = claim
        for path in all {
            if path != first && mkdir(path, 0o755) < 0 && errno != EEXIST {
                throw .system(operation: "mkdir", path: path, errorNumber: errno)
            }
            if path == unified {
                birthplace = try HostFiles.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            } else {
                doors.append(try HostFiles.open("\(path)/tasks", O_WRONLY | O_CLOEXEC))
            }
        }
        if let memory = directories[.memory] {
            peak = try HostFiles.open("\(memory)/memory.max_usage_in_bytes", O_RDWR | O_CLOEXEC)
            kills = try HostFiles.open("\(memory)/memory.oom_control", O_RDONLY | O_CLOEXEC)
        }
        if let unified, unifiedControllers.contains(.memory) {
            let path = "\(unified)/memory.peak"
            if HostFiles.exists(path) {
                unifiedPeak = try HostFiles.open(
                    path, access(path, W_OK) == 0 ? O_RDWR | O_CLOEXEC : O_RDONLY | O_CLOEXEC)
            }
        }
        oomKillsBefore = oomKills()
        limitHitsBefore = limitHits()
    }

    deinit {
        for door in doors { close(door) }
        for file in [birthplace, peak, kills, unifiedPeak] { if let file { close(file) } }
    }

    /// Sets the limits and begins to count anew. What stands around the command may take a whole processor until `begin`:
    /// with a hundredth of one it would take seconds to build.
    func prepare(_ limits: Limits) throws(HostError) {
        if self.limits != limits {
            if unified != nil { try limitUnified(limits) }
            try limitLegacy(limits)
            self.limits = limits
        }
        do { try limitProcessor(limits.cpuMillis == 0 ? 0 : max(limits.cpuMillis, 1000)) } catch {
            // The group around it may have less than a processor, and version 1 gives nothing beyond.
            try limitProcessor(limits.cpuMillis)
        }
        if let peak, pwrite(peak, "0", 1, 0) < 0 {
            throw .system(operation: "write", path: "memory.max_usage_in_bytes", errorNumber: errno)
        }
    }

    /// The command runs, and has from now on no more than its share.
    func begin() throws(HostError) {
        if let limits { try limitProcessor(limits.cpuMillis) }
    }

    /// What an attempt used in this group.
    struct Usage {
        /// Why the kernel killed something for want of memory; nil: it did not.
        let memoryEnd: MemoryEnd?
        /// Of all its processes; nil where groups do not count it.
        let cpuMicroseconds: UInt64?
        let peakMemoryBytes: UInt64
        let readBytes: UInt64
        let writtenBytes: UInt64
        let source: AttemptUsage.Source
    }

    enum MemoryEnd {
        /// The group had reached its limit.
        case limit
        /// The group was below its limit: the host had no memory left.
        case ofHost
    }

    /// Whether another attempt can begin in it with its peak counted from nothing.
    var canCountAgain: Bool {
        if wasKilled { return false }
        guard let unifiedPeak else { return true }
        return pwrite(unifiedPeak, "0", 1, 0) > 0
    }

    /// Since the last call. The group was idle in between, so this is what the attempt used that just ended.
    func takeUsage() -> Usage {
        let kills = oomKills()
        let cpu = cpuMicroseconds()
        let hits = limitHits()
        let (read, written) = storageBytes()
        defer {
            oomKillsBefore = kills
            limitHitsBefore = hits
            cpuMicrosecondsBefore = cpu ?? 0
            (readBefore, writtenBefore) = (read, written)
        }
        let wasFull = hits > limitHitsBefore || isFull
        let end = kills == oomKillsBefore ? nil : wasFull ? MemoryEnd.limit : .ofHost
        return Usage(
            memoryEnd: end, cpuMicroseconds: cpu.map { $0 &- cpuMicrosecondsBefore },
            peakMemoryBytes: peakMemoryBytes, readBytes: read &- readBefore, writtenBytes: written &- writtenBefore,
            source: unifiedPeak != nil ? .groupVersion2 : peak != nil ? .groupVersion1 : .processes)
    }

    private var peakMemoryBytes: UInt64 {
        if let peak { return UInt64(text(peak).prefix { $0 != "\n" }) ?? 0 }
        guard let unifiedPeak else { return 0 }
        return UInt64(text(unifiedPeak).prefix { $0 != "\n" }) ?? 0
    }

    // -- Freezing --

    var canFreeze: Bool { unified != nil || directories[.freezer] != nil }

    func freeze() throws(HostError) {
        if let unified {
            try HostFiles.write("1", to: "\(unified)/cgroup.freeze")
        } else if let freezer = directories[.freezer] {
            try HostFiles.write("FROZEN", to: "\(freezer)/freezer.state")
        }
    }

    func thaw() throws(HostError) {
        if let unified {
            try HostFiles.write("0", to: "\(unified)/cgroup.freeze")
        } else if let freezer = directories[.freezer] {
            try HostFiles.write("THAWED", to: "\(freezer)/freezer.state")
        }
    }

    /// The kernel is done with it: nothing in the group runs.
    var isFrozen: Bool {
        if let unified { return text("\(unified)/cgroup.events").split(separator: "\n").contains("frozen 1") }
        if let freezer = directories[.freezer] { return text("\(freezer)/freezer.state").hasPrefix("FROZEN") }
        return false
    }

    /// Everything in the group, whatever it did to hide.
    func kill() {
        guard let unified else { return }
        wasKilled = true
        do { try HostFiles.write("1", to: "\(unified)/cgroup.kill") } catch {
            // Linux before 5.14: the end of the first process does the same.
        }
    }

    func remove() {
        for path in all.reversed() { rmdir(path) }
    }

    // -- Limits --

    private func limitUnified(_ limits: Limits) throws(HostError) {
        guard let unified else { return }
        if unifiedControllers.contains(.memory) {
            let text = limits.memoryBytes == 0 ? "max" : "\(limits.memoryBytes)"
            try HostFiles.write(text, to: "\(unified)/memory.max")
            if HostFiles.exists("\(unified)/memory.swap.max") {
                try HostFiles.write(limits.memoryBytes == 0 ? "max" : "0", to: "\(unified)/memory.swap.max")
            }
        }
        if unifiedControllers.contains(.pids) { try HostFiles.write("\(limits.processes)", to: "\(unified)/pids.max") }
    }

    private func limitLegacy(_ limits: Limits) throws(HostError) {
        if let memory = directories[.memory] {
            // The sum with swap may never be below the memory limit, so it is opened first and set last.
            let both = "\(memory)/memory.memsw.limit_in_bytes"
            let countsSwap = HostFiles.exists(both)
            if countsSwap { try HostFiles.write("-1", to: both) }
            let text = limits.memoryBytes == 0 ? "-1" : "\(limits.memoryBytes)"
            try HostFiles.write(text, to: "\(memory)/memory.limit_in_bytes")
            if countsSwap { try HostFiles.write(text, to: both) }
        }
        if let pids = directories[.pids] { try HostFiles.write("\(limits.processes)", to: "\(pids)/pids.max") }
    }

    private func limitProcessor(_ cpuMillis: UInt64) throws(HostError) {
        guard processorMillis != cpuMillis else { return }
        if let unified, unifiedControllers.contains(.cpu) {
            let quota = cpuMillis == 0 ? "max" : "\(Self.quota(cpuMillis))"
            try HostFiles.write("\(quota) \(Self.periodMicroseconds)", to: "\(unified)/cpu.max")
        }
        if let cpu = directories[.cpu] {
            try HostFiles.write("\(Self.periodMicroseconds)", to: "\(cpu)/cpu.cfs_period_us")
            try HostFiles.write(cpuMillis == 0 ? "-1" : "\(Self.quota(cpuMillis))", to: "\(cpu)/cpu.cfs_quota_us")
        }
        processorMillis = cpuMillis
    }

    /// Microseconds of CPU per period; the kernel takes no less than a millisecond.
    private static func quota(_ cpuMillis: UInt64) -> UInt64 { max(cpuMillis * periodMicroseconds / 1000, 1000) }

    // -- Counters --

    private func oomKills() -> UInt64 {
        if let kills { return value(of: "oom_kill", in: text(kills)) }
        guard let unified, unifiedControllers.contains(.memory) else { return 0 }
        return value(of: "oom_kill", in: text("\(unified)/memory.events"))
    }

    /// Of version 1, whose kernels do not all count how often a limit is hit: whether it has had all that it may.
    private var isFull: Bool {
        guard peak != nil, let limit = limits?.memoryBytes, limit > 0 else { return false }
        return peakMemoryBytes + Self.chargedAhead >= limit
    }

    /// A processor charges memory ahead (MEMCG_CHARGE_BATCH), so the kernel may refuse a little earlier.
    private static let chargedAhead: UInt64 = 4 << 20

    /// How often the group was at its limit and could not have more.
    private func limitHits() -> UInt64 {
        guard let unified, unifiedControllers.contains(.memory) else { return 0 }
        return value(of: "oom", in: text("\(unified)/memory.events"))
    }

    /// From and to storage, of version 2 with its controller; else nothing.
    private func storageBytes() -> (read: UInt64, written: UInt64) {
        guard let unified, HostFiles.exists("\(unified)/io.stat") else { return (0, 0) }
        var (read, written): (UInt64, UInt64) = (0, 0)
        for word in text("\(unified)/io.stat").split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            if word.hasPrefix("rbytes=") { read += UInt64(word.dropFirst(7)) ?? 0 }
            if word.hasPrefix("wbytes=") { written += UInt64(word.dropFirst(7)) ?? 0 }
        }
        return (read, written)
    }

    private func cpuMicroseconds() -> UInt64? {
        guard let unified, unifiedControllers.contains(.cpu) else { return nil }
        return value(of: "usage_usec", in: text("\(unified)/cpu.stat"))
    }

    private func value(of name: String, in text: String) -> UInt64 {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == name { return UInt64(words[1]) ?? 0 }
        }
        return 0
    }

    /// A counter as it is now.
    private func text(_ file: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = pread(file, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    private func text(_ path: String) -> String {
        // A counter that cannot be read counts nothing; limits are enforced by the kernel all the same.
        do { return try HostFiles.readText(path, maximumBytes: 4096) } catch { return "" }
    }
}
