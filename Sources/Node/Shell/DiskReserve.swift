import GPUBackend
import Glibc

/// Room on the file system of the log that is kept for the day it is full (`raft.reserve`).
///
/// A node whose log cannot be written knows nothing of its mesh any more, so its jobs freeze when their lease is over. Where
/// only room is missing, giving the reserve up lets it go on before that: what fills disks is seldom the log. Blocking.
enum DiskReserve {
    /// What a log needs for long, as it uses its own room again.
    private static let byteCount: UInt64 = 16 << 20
    /// It is made only where so many times as much stays free: it shall not be what fills a disk.
    private static let timesFree: UInt64 = 4

    private static func path(_ directory: String) -> String { directory + "/raft.reserve" }

    static func isKept(in directory: String) -> Bool { HostFiles.exists(path(directory)) }

    /// Makes it where it is missing and there is plenty of room.
    static func keep(in directory: String) throws(HostError) {
        guard !isKept(in: directory), hasPlenty(directory) else { return }
        let path = path(directory)
        let file = try HostFiles.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(file) }
        // A file system that cannot set room aside would give none back either.
        let failure = posix_fallocate(file, 0, off_t(byteCount))
        guard failure == 0 else {
            unlink(path)
            throw HostError.system(operation: "set room aside in", path: path, errorNumber: failure)
        }
    }

    /// Gives the room back; false where there was none.
    static func giveUp(in directory: String) -> Bool { unlink(path(directory)) == 0 }

    private static func hasPlenty(_ directory: String) -> Bool {
        var room = statvfs()
        guard statvfs(directory, &room) == 0 else { return false }
        return UInt64(room.f_bavail) * UInt64(room.f_frsize) >= byteCount * timesFree
    }
}
