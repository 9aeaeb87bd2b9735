import Glibc

/// Says that a group is in use, to supervisors of this host whose processes this one may not see: containers with pid
/// namespaces of their own can share the groups of their host. It ends with the process, however that ends.
final class CgroupClaim {
    private let directory: Int32

    private init(_ directory: Int32) { self.directory = directory }

    deinit { close(directory) }

    /// Makes the directory of a group and claims it; nil where it is there already.
    static func make(_ path: String) throws(HostError) -> CgroupClaim? {
        guard mkdir(path, 0o755) == 0 else {
            if errno == EEXIST { return nil }
            throw .system(operation: "mkdir", path: path, errorNumber: errno)
        }
        // Somebody who sweeps may have come between: then it is gone, or as good as gone.
        return try take(path)
    }

    /// Claims a group that nobody claims; nil where somebody does, or it is not there.
    static func take(_ path: String) throws(HostError) -> CgroupClaim? {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else {
            if errno == ENOENT { return nil }
            throw .system(operation: "open", path: path, errorNumber: errno)
        }
        let claim = CgroupClaim(directory)
        guard flock(directory, LOCK_EX | LOCK_NB) == 0 else {
            if errno == EWOULDBLOCK { return nil }
            throw .system(operation: "flock", path: path, errorNumber: errno)
        }
        var claimed = stat()
        var there = stat()
        guard fstat(directory, &claimed) == 0, stat(path, &there) == 0, claimed.st_ino == there.st_ino else {
            return nil
        }
        return claim
    }
}
