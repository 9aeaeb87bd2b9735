import CLinux
import Codec
import GPUBackend
import Glibc
import Scheduler

/// Trees that are kept below one directory of the daemon for jobs to come, by key: `KEY/files` and, beside it, `made`.
///
/// One is there whole or not at all: it is made under a name of its own, `new-KEY.N`, and renamed. The time of its directory
/// says when it was last used. Every call blocks; two at once may not be about the same key.
struct KeptTrees: Sendable {
    let path: String
    /// Which run of the kernel this is.
    let boot: String
    /// Of the directories of trees.
    var mode: mode_t = 0o700

    /// Those that nobody used for so long go.
    static let unusedSeconds = 14 * 86_400
    /// More than this part of the file system, and this much, is never kept.
    static let partOfDisk: UInt64 = 5
    static let bytesMax: UInt64 = 100 << 30
    /// This much of the file system stays free for everybody else.
    static let bytesFree: UInt64 = 2 << 30
    static let entriesMax = 1_000_000

    private static let unfinished = "new-"

    /// Where it is.
    func files(_ key: String) -> String { "\(path)/\(key)/files" }

    static func thisBoot() throws(HostError) -> String {
        String(try HostFiles.readText("/proc/sys/kernel/random/boot_id").prefix { $0 != "\n" })
    }

    /// What is kept by this key, and was not cut short by a crash of the host; it counts as used now.
    func find(_ key: String) -> KeptTree? {
        guard let kept = known(key), kept.boot == nil || kept.boot == boot else { return nil }
        utimensat(AT_FDCWD, "\(path)/\(key)", nil, 0)
        return kept
    }

    private func known(_ key: String) -> KeptTree? {
        do { return try KeptTree(encoded: try HostFiles.read("\(path)/\(key)/made")) } catch { return nil }
    }

    /// Keeps what `fill` puts into the directory that it is given; of what it fails to make nothing is left.
    ///
    /// - Parameter fill: is told how many bytes it may be, and answers how many it is.
    func keep(
        _ key: String, job: JobID, fill: (String, UInt64) throws(HostError) -> UInt64
    ) throws(HostError) -> KeptTree {
        // One that was given up may still be at work.
        let new = "\(path)/\(Self.unfinished)\(key).\(UInt64.random(in: 0 ... .max))"
        do throws(HostError) {
            try HostFiles.makeDirectories("\(new)/files")
            for directory in [new, "\(new)/files"] where chmod(directory, mode) != 0 {
                throw HostError.system(operation: "chmod", path: directory, errorNumber: errno)
            }
            let kept = KeptTree(bytes: try fill("\(new)/files", room), job: job, boot: boot)
            try HostFiles.replace("\(new)/made", with: kept.encoded())
            try HostFiles.removeTree("\(path)/\(key)")
            guard rename(new, "\(path)/\(key)") == 0 else {
                throw HostError.system(operation: "rename", path: new, errorNumber: errno)
            }
            return kept
        } catch {
            try HostFiles.removeTree(new)
            throw error
        }
    }

    /// Waits until all of it is on the disk, so that it counts after a crash of the host, too.
    func settle(_ key: String) throws(HostError) {
        guard var kept = known(key), kept.boot != nil else { return }
        let directory = try HostFiles.open("\(path)/\(key)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(directory) }
        guard swarmlet_syncfs(directory) == 0 else {
            throw .system(operation: "syncfs", path: path, errorNumber: errno)
        }
        kept.boot = nil
        try HostFiles.replace("\(path)/\(key)/made", with: kept.encoded())
    }

    func remove(_ key: String) throws(HostError) { try HostFiles.removeTree("\(path)/\(key)") }

    /// How much one tree may be at most.
    private var room: UInt64 {
        var disk = statvfs()
        guard statvfs(path, &disk) == 0 else { return 0 }
        let free = UInt64(disk.f_bavail) * UInt64(disk.f_frsize)
        return min(limit, free > Self.bytesFree ? free - Self.bytesFree : 0)
    }

    private var limit: UInt64 {
        var disk = statvfs()
        guard statvfs(path, &disk) == 0 else { return 0 }
        return min(Self.bytesMax, UInt64(disk.f_blocks) * UInt64(disk.f_frsize) / Self.partOfDisk)
    }

    /// Removes what a crash cut short, what nobody used for long, and then the oldest until the rest has room.
    ///
    /// - Parameter inUse: what stays whatever it is.
    /// - Returns: how many were removed.
    func trim(keeping inUse: Set<String>, now: Int) throws(HostError) -> Int {
        var left: [(key: String, used: Int, bytes: UInt64)] = []
        var removed = 0
        for name in try HostFiles.names(in: path) where !inUse.contains(Self.key(of: name)) {
            var facts = stat()
            guard lstat("\(path)/\(name)", &facts) == 0 else { continue }
            if let kept = known(name), kept.boot == nil || kept.boot == boot,
                now - facts.st_mtim.tv_sec < Self.unusedSeconds
            {
                left.append((name, facts.st_mtim.tv_sec, kept.bytes))
            } else {
                try HostFiles.removeTree("\(path)/\(name)")
                removed += 1
            }
        }
        var sum = left.reduce(0) { $0 + $1.bytes }
        for one in left.sorted(by: { ($0.used, $0.key) < ($1.used, $1.key) }) where sum > limit {
            try HostFiles.removeTree("\(path)/\(one.key)")
            sum -= one.bytes
            removed += 1
        }
        return removed
    }

    private static func key(of name: String) -> String {
        name.hasPrefix(unfinished) ? String(name.dropFirst(unfinished.count).prefix { $0 != "." }) : name
    }
}
