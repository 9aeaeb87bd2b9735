import CLinux
import Glibc
import Scheduler

/// Why a command could not be run, in terms that the mesh keeps.
enum SandboxLayer {
    static func outcome(_ refusal: clinux_message, _ spec: AttemptSpec, _ sandbox: PreparedSandbox?) -> Outcome {
        let why = ErrorText.of(refusal.error)
        switch UInt32(refusal.layer) {
        case CLINUX_LAYER_EXECUTE.rawValue:
            // A command with a slash was named exactly, so its own name says where was looked.
            if refusal.error == ENOENT {
                let named = spec.arguments[0].utf8.contains(UInt8(ascii: "/"))
                return .commandNotFound(path: named ? spec.arguments[0] : spec.searchPath)
            }
            return .commandNotExecutable(reason: why)
        case CLINUX_LAYER_WORKING_DIRECTORY.rawValue:
            return .hostFailed(
                code: "job.working_directory", message: "the working directory \(spec.workingDirectory): \(why)")
        default:
            if let mount = mount(refusal, sandbox) {
                if mount.source == spec.workingDirectory {
                    return .hostFailed(
                        code: "job.working_directory",
                        message: "the working directory \(spec.workingDirectory): \(why)")
                }
                if let image = spec.sandbox?.image?.path, mount.source?.hasPrefix(image) == true {
                    return .hostFailed(
                        code: "job.image", message: "\(mount.source ?? image) of the image cannot be used: \(why)")
                }
                if let asked = spec.sandbox?.mounts.first(where: { $0.target == mount.target }) {
                    return .hostFailed(
                        code: "job.mount", message: "\(asked.source) cannot be mounted at \(asked.target): \(why)")
                }
            }
            let name = name(refusal, sandbox)
            return .hostFailed(
                code: "host.sandbox.\(names[Int(refusal.layer)] ?? "sandbox")",
                message: "the host refused \(name): \(why)")
        }
    }

    /// Why something was not done beside the command.
    static func refusal(_ refusal: clinux_message, _ spec: AttemptSpec) -> HandRefusal {
        let why = ErrorText.of(refusal.error)
        switch UInt32(refusal.layer) {
        case CLINUX_LAYER_EXECUTE.rawValue where refusal.error == ENOENT:
            return HandRefusal(
                code: "job.command_not_found", message: "there is no such command where the job runs", exitCode: 127)
        case CLINUX_LAYER_EXECUTE.rawValue:
            return HandRefusal(
                code: "job.command_not_executable", message: "the command cannot be executed: \(why)", exitCode: 126)
        case CLINUX_LAYER_NETWORK.rawValue:
            return .portClosed(refusal.error)
        default:
            let name = names[Int(refusal.layer)] ?? "sandbox"
            return HandRefusal(code: "host.sandbox.\(name)", message: "the host refused \(name): \(why)")
        }
    }

    /// For a person.
    static func text(_ refusal: clinux_message, _ sandbox: PreparedSandbox?) -> String {
        "\(name(refusal, sandbox)) refused: \(ErrorText.of(refusal.error))"
    }

    private static func mount(_ refusal: clinux_message, _ sandbox: PreparedSandbox?) -> SandboxPlan.Step? {
        guard let sandbox, sandbox.plan.steps.indices.contains(Int(refusal.step)) else { return nil }
        return sandbox.plan.steps[Int(refusal.step)]
    }

    /// The layer, with the place where it is one of several mounts.
    private static func name(_ refusal: clinux_message, _ sandbox: PreparedSandbox?) -> String {
        let name = names[Int(refusal.layer)] ?? "sandbox"
        return mount(refusal, sandbox).map { "\(name) of \($0.target)" } ?? name
    }

    /// Stable: they are the last part of error codes.
    private static let names: [Int: String] = [
        1: "process", 2: "descriptors", 3: "private_mounts", 4: "writable_directory", 5: "read_only_root",
        6: "private_tmp", 7: "proc", 8: "session", 9: "limits", 10: "capabilities", 11: "user",
        12: "no_new_privileges", 15: "cgroup", 16: "user_map", 17: "own_root", 18: "mount", 19: "hidden_files",
        20: "network", 21: "host_name", 22: "cgroup_namespace", 23: "landlock", 24: "seccomp",
    ]
}
