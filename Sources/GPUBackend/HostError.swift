import Codec
import Glibc

/// What can go wrong on one host around devices, processes, logs and checkpoints.
public enum HostError: Error, Hashable, Sendable {
    /// A system call failed.
    case system(operation: String, path: String, errorNumber: Int32)
    /// A frame on a supervisor's socket is longer than `limit` allows; the connection is closed.
    case frameTooLarge(bytes: UInt64, limit: Int)
    /// A message or a file of a supervisor could not be read.
    case damaged(path: String, CodecError)
    /// A file is not what its name says.
    case notOurs(path: String)
    /// Another supervisor holds this directory.
    case supervisorRuns(path: String, process: Int32)
    /// Text that names simulated devices is not `N` or `N:MODEL`.
    case badSimulatedGPUs(String)
    /// The supervisor was asked for more attempts at once than it keeps.
    case tooManyAttempts(limit: Int)

    /// There is room for nothing more, or for nothing more of this user.
    public var isDiskFull: Bool {
        guard case .system(_, _, let number) = self else { return false }
        return number == ENOSPC || number == EDQUOT
    }

    /// Stable name of the error, for logs, exit codes and the API.
    public var code: String {
        switch self {
        case .system: "host.system"
        case .frameTooLarge: "host.supervisor.frame_too_large"
        case .damaged: "host.supervisor.damaged"
        case .notOurs: "host.supervisor.not_ours"
        case .supervisorRuns: "host.supervisor.runs"
        case .badSimulatedGPUs: "usage.simulate_gpus"
        case .tooManyAttempts: "host.supervisor.too_many_attempts"
        }
    }

    /// One sentence for a person.
    public var message: String {
        switch self {
        case .system(let operation, let path, let number): "\(operation) \(path): \(ErrorText.of(number))"
        case .frameTooLarge(let bytes, let limit): "a message of \(bytes) bytes, at most \(limit) are taken"
        case .damaged(let path, let error): "\(path) is damaged: \(error.message)"
        case .notOurs(let path): "\(path) was not made by swarmlet"
        case .supervisorRuns(let path, let process): "process \(process) already supervises \(path)"
        case .badSimulatedGPUs(let text): "\(text) does not name simulated GPUs"
        case .tooManyAttempts(let limit): "a supervisor keeps at most \(limit) attempts"
        }
    }

    /// What the person can do about it.
    public var hint: String {
        switch self {
        case .system: "check the space, the rights and the limits of this host: swarmlet doctor"
        case .frameTooLarge, .damaged, .notOurs:
            "restart the daemon; if it stays, send this line to those who keep swarmlet"
        case .supervisorRuns: "only one daemon may use a data directory"
        case .badSimulatedGPUs: "write a number, or a number and a model: --simulate-gpus 2 or --simulate-gpus 4:A100"
        case .tooManyAttempts: "wait until some of them ended"
        }
    }
}
