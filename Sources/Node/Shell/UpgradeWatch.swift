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

    /// Starts it; from then on it counts.
    static func launch(_ directory: DataDirectory, program: String, digest: Digest) throws(HostError) {
        let process = clinux_process_descriptor(getpid())
        guard process >= 0 else { throw .system(operation: "pidfd_open", path: "", errorNumber: -process) }
        defer { close(process) }
        let words = ["swarmlet", word, "--data-dir", directory.path, "--program", program, "--digest", digest.hex]
        let arguments = words.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        var pointers = arguments.map { UnsafePointer($0) }
        pointers.append(nil)
        let result = clinux_spawn_detached(Executable.reference, pointers, nil, STDERR_FILENO, process)
        guard result == 0 else { throw .system(operation: "execute", path: word, errorNumber: -result) }
    }
}
