import Codec
import GPUBackend
import Glibc

/// Where a daemon keeps what must outlive it. One daemon at a time holds it, by a lock on `lock`.
///
/// `keys/identity` the node's key · `keys/noise` its session key · `keys/other` both while they are rotated · `keys/mesh` the mesh key, at the founder · `mesh` which
/// mesh, which number, whose certificates · `peers` where members were last · `gossip` what was known of them · `raft.db` the log · `snapshots/` what it
/// begins with · `history.db` finished jobs · `audit.db` what happened · `refusals` whom this node turned away · `blobs/` files by content · `supervisors/JOB/` jobs
/// under way · `doors/` sockets for ranks of gangs · `work/` their
/// directories · `logs/` what they wrote · `setups/` what their setups made · `images/` their roots · `devices/` who used each last · `program-before` the
/// swarmlet before the last upgrade · `program-signed` who wanted the one
/// after it · `socket`, `daemon.pid`, `daemon.log`. Others may pass through on the way to their
/// job's own directory and read nothing.
public struct DataDirectory: Hashable, Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    public var socket: String { path + "/socket" }
    public var processFile: String { path + "/daemon.pid" }
    public var daemonLog: String { path + "/daemon.log" }
    /// The program that the last upgrade replaced, for the way back.
    public var programBefore: String { path + "/program-before" }
    /// Why the last upgrade was taken back.
    public var upgradeFailure: String { path + "/upgrade-failed" }
    /// The digest of the program that was last put in place: a watch of an earlier one has nothing more to do.
    public var upgradeTried: String { path + "/upgrade-tried" }
    /// The program that was last accepted by a signed word (`AcceptedProgram`).
    var programSigned: String { path + "/program-signed" }
    var lock: String { path + "/lock" }
    var keys: String { path + "/keys" }
    var identity: String { keys + "/identity" }
    var noise: String { keys + "/noise" }
    var meshKey: String { keys + "/mesh" }
    /// The mesh key to come, while it is being rotated.
    var nextMeshKey: String { keys + "/mesh.next" }
    /// A second set of this node's keys, while they are being rotated (`OtherKeys`).
    var otherKeys: String { keys + "/other" }
    var mesh: String { path + "/mesh" }
    var peers: String { path + "/peers" }
    var gossip: String { path + "/gossip" }
    var settings: String { path + "/settings" }
    var raftLog: String { path + "/raft.db" }
    var snapshots: String { path + "/snapshots" }
    var history: String { path + "/history.db" }
    /// The log of what happened.
    public var audit: String { path + "/audit.db" }
    /// Whom this node turned away (`RefusalLog`).
    public var refusals: String { path + "/refusals" }
    var blobs: String { path + "/blobs" }
    var supervisors: String { path + "/supervisors" }
    var logs: String { path + "/logs" }
    /// Where the ranks of gangs reach this daemon.
    var doors: String { path + "/doors" }
    /// The swarmlet that ranks are given: a copy, which every user can reach, and no upgrade replaces under them.
    var programOfRanks: String { path + "/program-of-ranks" }
    /// The working directories of attempts.
    var work: String { path + "/work" }

    /// Who used each device last (`DeviceTenants`).
    var devices: String { path + "/devices" }

    /// The roots that jobs brought as archives.
    var images: String { path + "/images" }
    /// What setup commands made, for the next attempt with the same.
    var setups: String { path + "/setups" }

    /// Where it is without `--data-dir`: `/var/lib/swarmlet` for root, else in the user's state directory.
    public static func standard(environment: (String) -> String?) -> DataDirectory {
        if let path = environment("SWARMLET_DATA_DIR"), !path.isEmpty { return DataDirectory(path: path) }
        if geteuid() == 0 { return DataDirectory(path: "/var/lib/swarmlet") }
        if let state = environment("XDG_STATE_HOME"), state.hasPrefix("/") {
            return DataDirectory(path: state + "/swarmlet")
        }
        return DataDirectory(path: (environment("HOME") ?? "/tmp/\(geteuid())") + "/.local/state/swarmlet")
    }

    /// Makes the directory if it is missing, and refuses one that is not this user's alone.
    public func prepare() throws {
        try HostFiles.makeDirectories(path, mode: 0o711)
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw HostError.system(operation: "stat", path: path, errorNumber: errno)
        }
        guard status.st_uid == geteuid() else {
            throw NodeError.dataDirectoryForeign(path: path, owner: status.st_uid)
        }
        guard status.st_mode & 0o066 == 0 else {
            throw NodeError.dataDirectoryReadable(path: path, mode: "0" + String(status.st_mode & 0o7777, radix: 8))
        }
    }

    /// Takes the directory for this process; the lock goes with the process.
    func take() throws {
        _ = try hold()
        try makeSubdirectories()
        try HostFiles.replace(processFile, with: Array("\(getpid())\n".utf8))
    }

    /// Keeps daemons out while the file that this returns is open.
    func hold() throws -> Int32 {
        let file = try HostFiles.open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        for _ in 0..<DataDirectory.lockTries {
            if flock(file, LOCK_EX | LOCK_NB) == 0 { return file }
            poll(nil, 0, DataDirectory.lockPauseMilliseconds)
        }
        close(file)
        throw NodeError.dataDirectoryInUse(path: path, process: runningProcess)
    }

    /// A daemon that was killed holds it until its last thread has ended, and what it was just starting until that executes.
    private static let lockTries = 100
    private static let lockPauseMilliseconds: Int32 = 10

    /// Bytes of the log and its snapshots, which a start reads.
    public var logBytes: UInt64 {
        var names = ["raft.db", "raft.db-wal"]
        do { names += try HostFiles.names(in: snapshots).map { "snapshots/" + $0 } } catch {
            // There are none yet.
        }
        return names.reduce(0) { sum, name in
            var status = stat()
            return stat("\(path)/\(name)", &status) == 0 ? sum + UInt64(status.st_size) : sum
        }
    }

    /// How long a daemon may take until it answers: within 100 ms it does; ten seconds are for a host that is very busy, and
    /// the rest for one that reads its log slowly.
    public var startPatience: Interval {
        .seconds(10 + Int64(clamping: logBytes / DataDirectory.slowestBytesPerSecond))
    }
    private static let slowestBytesPerSecond: UInt64 = 10_000_000

    /// The process that wrote `daemon.pid`, if it can be read.
    public var runningProcess: Int32? {
        guard let text = readIfPresent(processFile) else { return nil }
        return Int32(String(decoding: text, as: UTF8.self).filter(\.isNumber))
    }

    /// Deletes what belongs to the mesh that this node has left, and with `keys` also who it was.
    func forgetMesh(keys: Bool) throws {
        for file in [
            mesh, peers, gossip, meshKey, nextMeshKey, "\(path)/raft.db", "\(path)/raft.db-wal", "\(path)/raft.db-shm",
            "\(path)/raft.mark", history, "\(history)-wal", "\(history)-shm", audit,
            "\(audit)-wal", "\(audit)-shm", programSigned,
        ] {
            if unlink(file) != 0, errno != ENOENT {
                throw HostError.system(operation: "unlink", path: file, errorNumber: errno)
            }
        }
        for directory in [otherKeys, snapshots, blobs, supervisors, work, logs, setups, images, doors] {
            try HostFiles.removeTree(directory)
        }
        if keys { try HostFiles.removeTree(self.keys) }
        try makeSubdirectories()
    }

    /// Moves the log out of the way: what a recovery of the mesh has left behind is kept for a person to look at.
    func setLogAside(beforeEpoch epoch: UInt64) throws {
        let aside = path + "/raft-before-epoch-\(epoch)"
        try HostFiles.makeDirectories(aside, mode: 0o700)
        // The log last: while it is here, a start that was cut short is done again.
        for name in ["snapshots", "raft.mark", "raft.db-shm", "raft.db-wal", "raft.db"] {
            guard rename("\(path)/\(name)", "\(aside)/\(name)") != 0, errno != ENOENT else { continue }
            throw HostError.system(operation: "rename", path: "\(path)/\(name)", errorNumber: errno)
        }
    }

    private func makeSubdirectories() throws {
        for directory in [keys, blobs, supervisors, logs, setups, devices] {
            try HostFiles.makeDirectories(directory, mode: 0o700)
        }
        for directory in [work, images, doors] { try HostFiles.makeDirectories(directory, mode: 0o711) }
        // A job's user passes through them on the way to its own directory, whatever the umask was.
        for directory in [path, work, images, doors] where chmod(directory, 0o711) != 0 {
            throw HostError.system(operation: "chmod", path: directory, errorNumber: errno)
        }
    }

    func readIfPresent(_ file: String) -> [UInt8]? {
        do { return try HostFiles.read(file) } catch { return nil }
    }
}
