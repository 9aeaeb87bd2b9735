import Codec
import Glibc

/// What an attempt keeps on the disk of its host, looked at again and again in steps that take no longer than the supervisor
/// has: everything below its working directory and below those that it was given elsewhere, and what its processes have
/// deleted there and keep open.
///
/// It is somebody's who may try to hide it. No link is followed, each directory is opened from the one above it, names are
/// bytes, and a directory that cannot be looked into counts as too much.
final class DiskWatch {
    enum Finding: Hashable {
        /// When to look again.
        case within(Instant)
        case above
    }

    /// Bytes that may be kept.
    private let bytesMax: UInt64
    private let filesMax: UInt64
    /// Descriptors of the directories that count, the working directory first: by another name they would be the same. Those
    /// that could not be opened are negative.
    private let roots: [Int32]
    private let workingDirectory: String
    private var reading: OpaquePointer?
    /// Of the directory that is read: which root it is below, its names from there, and its device.
    private var root = 0
    private var path: [[CChar]] = []
    private var device: dev_t = 0
    /// Directories that have been seen and not been read, with how deep they are.
    private var pending: [(root: Int, depth: Int, name: [CChar])] = []
    /// Those of the roots.
    private var devices: [Int: dev_t] = [:]
    private var bytes: UInt64 = 0
    /// The part of them that lies with the working directory.
    private var bytesBeside: UInt64 = 0
    private var files: UInt64 = 0
    private var isUnderWay = false
    private var nextLook = Instant.zero
    /// What the round before has found, and when it ended.
    private var before: (bytes: UInt64, at: Instant)?

    /// How much is looked at in one step: some milliseconds.
    private static let stepMax = 1_000
    private static let betweenSteps = Interval.milliseconds(20)
    private static let betweenLooks = Interval.seconds(1)
    private static let betweenLooksLeast = Interval.milliseconds(50)
    /// Open descriptors that are looked at in one step.
    private static let descriptorsMax = 2_000
    /// So many files there may be for each 16 KiB, which is what file systems are made for.
    private static let bytesPerFile: UInt64 = 16 << 10
    private static let leastFiles: UInt64 = 10_000
    /// Room that an attempt which itself keeps as much leaves to its host: what a log needs for long, several times.
    private static let reserveBytes: UInt64 = 64 << 20

    /// - Parameters:
    ///   - root: the working directory, absolute.
    ///   - others: directories elsewhere that count as well, with all that is in them.
    ///   - limit: in bytes.
    init(_ root: String, others: [String] = [], limit: UInt64) {
        workingDirectory = root
        roots = ([root] + others.filter { !SandboxPlanner.holds(root, $0) }).map {
            open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        bytesMax = limit
        filesMax = max(DiskWatch.leastFiles, limit / DiskWatch.bytesPerFile)
    }

    deinit {
        close()
        for root in roots where root >= 0 { Glibc.close(root) }
    }

    /// Takes the next step, where it is time for one.
    ///
    /// - Parameter process: the first of those whose open files count.
    func look(below process: Int32, now: Instant) -> Finding {
        guard now >= nextLook else { return .within(nextLook) }
        if !isUnderWay { begin() }
        let isDone = step()
        // Before the end as well: what is too much does not become less by looking on.
        if isDone { countOpen(below: process) }
        if bytes > bytesMax || files > filesMax { return .above }
        if isDone {
            let free = freeBytes
            if bytesBeside > DiskWatch.reserveBytes, free < DiskWatch.reserveBytes { return .above }
            isUnderWay = false
            nextLook = now + pause(room: min(bytesMax - bytes, free), at: now)
        } else {
            nextLook = now + DiskWatch.betweenSteps
        }
        return .within(nextLook)
    }

    /// Half of the time in which the room is used up if it goes on as it did.
    private func pause(room: UInt64, at now: Instant) -> Interval {
        defer { before = (bytes, now) }
        guard let before, bytes > before.bytes else { return DiskWatch.betweenLooks }
        let perNanosecond = Double(bytes - before.bytes) / Double(max(1, (now - before.at).nanoseconds))
        let left = Double(room) / perNanosecond / 2
        guard left < Double(DiskWatch.betweenLooks.nanoseconds) else { return DiskWatch.betweenLooks }
        return max(DiskWatch.betweenLooksLeast, Interval(nanoseconds: Int64(left)))
    }

    private func begin() {
        close()
        isUnderWay = true
        (bytes, bytesBeside, files, path) = (0, 0, 0, [])
        devices = [:]
        pending = roots.indices.reversed().map { ($0, 0, []) }
    }

    private func close() {
        if let reading { closedir(reading) }
        reading = nil
    }

    /// True when everything has been looked at.
    private func step() -> Bool {
        var left = DiskWatch.stepMax
        while left > 0 {
            if let reading {
                left -= 1
                if let entry = readdir(reading) { count(entry, in: dirfd(reading)) } else { close() }
                if bytes > bytesMax || files > filesMax { return false }
            } else if let next = pending.popLast() {
                root = next.root
                path = next.depth == 0 ? [] : Array(path.prefix(next.depth - 1)) + [next.name]
                left -= path.count + 1
                openDirectory()
            } else {
                return true
            }
        }
        return false
    }

    private func openDirectory() {
        var directory = openat(roots[root], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if directory < 0 { bytes = .max }
        for name in path where directory >= 0 {
            let below = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            let error = errno
            Glibc.close(directory)
            directory = below
            // It may have been moved or deleted since; what nobody may look into, though, is there to be hidden.
            if below < 0, error == EACCES { bytes = .max }
        }
        guard directory >= 0 else { return }
        var facts = stat()
        guard fstat(directory, &facts) == 0, let stream = fdopendir(directory) else {
            Glibc.close(directory)
            return
        }
        device = facts.st_dev
        if path.isEmpty { devices[root] = device }
        reading = stream
    }

    private func count(_ entry: UnsafeMutablePointer<dirent>, in directory: Int32) {
        let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
        let start = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self)
        let name = Array(UnsafeBufferPointer(start: start, count: strlen(start) + 1))
        guard name != [46, 0], name != [46, 46, 0] else { return }
        var facts = stat()
        // Gone since it was listed.
        guard fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 else { return }
        // One of several names of it: each counts its part.
        add(facts, parts: UInt64(max(1, facts.st_mode & S_IFMT == S_IFDIR ? 1 : facts.st_nlink)))
        // What is mounted there is not on this disk, or is its owner's.
        if facts.st_mode & S_IFMT == S_IFDIR, facts.st_dev == device { pending.append((root, path.count + 1, name)) }
    }

    private func add(_ facts: stat, parts: UInt64) {
        files += 1
        // Of 512 bytes each, whatever the file system has (stat(2)).
        let taken = UInt64(max(0, facts.st_blocks)) * 512 / parts
        let (sum, overflow) = bytes.addingReportingOverflow(taken)
        bytes = overflow ? .max : sum
        if facts.st_dev == devices[0] { bytesBeside += taken }
    }

    /// Files without a name, that go with the last descriptor on them.
    private func countOpen(below process: Int32) {
        var counted: Set<ino_t> = []
        var left = DiskWatch.descriptorsMax
        for process in ProcessFacts.processes(below: process) where left > 0 {
            guard let directory = opendir("/proc/\(process)/fd") else { continue }
            defer { closedir(directory) }
            while left > 0, let entry = readdir(directory) {
                left -= 1
                var facts = stat()
                let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
                let name = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self)
                guard fstatat(dirfd(directory), name, &facts, 0) == 0, facts.st_mode & S_IFMT == S_IFREG,
                    facts.st_nlink == 0, devices.values.contains(facts.st_dev), counted.insert(facts.st_ino).inserted
                else { continue }
                add(facts, parts: 1)
            }
        }
    }

    /// What the file system of the working directory has left; where that does not say so, its limit alone counts.
    private var freeBytes: UInt64 {
        var room = statvfs()
        guard statvfs(workingDirectory, &room) == 0 else { return .max }
        return UInt64(room.f_bavail) * UInt64(room.f_frsize)
    }
}
