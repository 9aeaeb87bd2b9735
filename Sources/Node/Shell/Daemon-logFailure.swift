import Codec
import GPUBackend
import Glibc
import Ring

/// A log that cannot be written stops its node. Nothing is tried again on it: once the disk works, the node begins anew
/// with what the disk then holds, as after a start of the daemon.
extension Daemon {
    /// The first pause before that is tried; each further one is twice as long.
    private static let firstPause = Interval.seconds(1)
    private static let longestPause = Interval.seconds(60)
    /// A node that has worked for so long has not come back too early.
    private static let probation = Interval.seconds(600)
    /// What must have room before it is worth trying.
    private static let probeBytes = 8 << 20

    func logFailed(_ failed: MeshNode) {
        guard node === failed, let reason = failed.reasonOfFailure.map(APIFailure.init) else { return }
        log.warning("\(reason.message); \(reason.hint)")
        if let before = lastLogFailure, loop.now - before > Daemon.probation { logPause = Daemon.firstPause }
        lastLogFailure = loop.now
        loop.spawn("come back after a failed log") { [self] in
            // The others see at once that it is gone, and its jobs go on under their supervisors as far as leases reach.
            await failed.stop()
            while node === failed {
                do { try await loop.sleep(for: logPause) } catch { return }
                logPause = min(logPause + logPause, Daemon.longestPause)
                await comeBack(failed)
            }
        }
    }

    private func comeBack(_ failed: MeshNode) async {
        guard node === failed, !isChangingMesh else { return }
        isChangingMesh = true
        defer { isChangingMesh = false }
        let path = directory.path
        do {
            let usesReserve = try await loop.offload {
                Result { () throws(HostError) in try Daemon.findRoom(path) }
            }.get()
            try await enter(failed.membership)
            log.note("the log can be written: this node takes part in its mesh again")
            if usesReserve { log.warning("the disk is full: the log goes on in the room that was kept for it") }
        } catch {
            log.warning("this node still takes no part in its mesh: \(APIFailure(error).message)")
            guard let unfinished = node, unfinished !== failed else { return }
            await unfinished.stop()
            node = failed
        }
    }

    /// Throws where the log cannot be written either, also with the room that was kept for it; true where that is used
    /// now. Blocking.
    private static func findRoom(_ directory: String) throws(HostError) -> Bool {
        do throws(HostError) {
            try probe(directory)
            return false
        } catch {
            guard error.isDiskFull, DiskReserve.giveUp(in: directory) else { throw error }
            try probe(directory)
            return true
        }
    }

    /// Whether there is room and the disk takes something. Blocking.
    private static func probe(_ directory: String) throws(HostError) {
        let path = directory + "/raft.probe"
        let file = try HostFiles.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer {
            close(file)
            unlink(path)
        }
        var failure = posix_fallocate(file, 0, off_t(Daemon.probeBytes))
        if failure == EOPNOTSUPP { failure = 0 }
        if failure == 0, fdatasync(file) != 0 { failure = errno }
        guard failure == 0 else { throw HostError.system(operation: "write", path: path, errorNumber: failure) }
    }
}
