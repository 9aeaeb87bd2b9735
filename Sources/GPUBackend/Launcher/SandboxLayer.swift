import CLinux
import Glibc
import Scheduler

/// Why a command could not be run, in terms that the mesh keeps.
enum SandboxLayer {
    static func outcome(layer: Int32, errorNumber: Int32, spec: AttemptSpec) -> Outcome {
        let why = ErrorText.of(errorNumber)
        switch UInt32(layer) {
        case CLINUX_LAYER_EXECUTE.rawValue:
            // A command with a slash was named exactly, so its own name says where was looked.
            if errorNumber == ENOENT {
                let named = spec.arguments[0].utf8.contains(UInt8(ascii: "/"))
                return .commandNotFound(path: named ? spec.arguments[0] : spec.searchPath)
            }
            return .commandNotExecutable(reason: why)
        case CLINUX_LAYER_WORKING_DIRECTORY.rawValue:
            return .hostFailed(
                code: "job.working_directory", message: "the working directory \(spec.workingDirectory): \(why)")
        default:
            let name = names[Int(layer)] ?? "sandbox"
            return .hostFailed(code: "host.sandbox.\(name)", message: "the host refused \(name): \(why)")
        }
    }

    /// For a person.
    static func text(layer: Int32, errorNumber: Int32) -> String {
        "\(names[Int(layer)] ?? "sandbox") refused: \(ErrorText.of(errorNumber))"
    }

    /// Stable: they are the last part of error codes.
    private static let names: [Int: String] = [
        1: "process", 2: "descriptors", 3: "private_mounts", 4: "writable_directory", 5: "read_only_root",
        6: "private_tmp", 7: "proc", 8: "session", 9: "limits", 10: "capabilities", 11: "user",
        12: "no_new_privileges", 15: "cgroup", 16: "user_map",
    ]
}
