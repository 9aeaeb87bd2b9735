import CLinux
import Codec
import GPUBackend
import Glibc

/// The process that takes an upgrade back where the new daemon does not come: the old program, started by the old daemon.
public enum UpgradeWatch {
    /// Its command.
    public static let word = "upgrade-watch"
    /// Where it finds the daemon's process.
    public static let process: Int32 = 3
    /// Where it finds what opens the keys of the host, where they are locked, for the daemon that it may have to start.
    public static let keys: Int32 = 0

    /// Starts it; from then on it counts.
    /// - Parameter keys: what `KeyHandover` gave, if anything; stays the caller's to close.
    static func launch(
        _ directory: DataDirectory, program: String, digest: Digest, keys: Int32?
    ) throws(HostError) {
        let process = clinux_process_descriptor(getpid())
        guard process >= 0 else { throw .system(operation: "pidfd_open", path: "", errorNumber: -process) }
        defer { close(process) }
        var words = ["swarmlet", word, "--data-dir", directory.path, "--program", program, "--digest", digest.hex]
        if keys != nil { words.append("--locked") }
        let arguments = words.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        var pointers = arguments.map { UnsafePointer($0) }
        pointers.append(nil)
        let result = clinux_spawn_detached(Executable.reference, pointers, nil, keys ?? -1, STDERR_FILENO, process)
        guard result == 0 else { throw .system(operation: "execute", path: word, errorNumber: -result) }
    }
}
