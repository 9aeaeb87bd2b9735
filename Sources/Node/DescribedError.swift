import Codec
import GPUBackend
import Mesh
import Raft
import Ring
import Scheduler
import Store
import Tokens

/// An error that a person can act on. Every module's error is one; here they meet.
public protocol DescribedError: Error {
    /// Stable, `mesh.join.token_used`.
    var code: String { get }
    /// What is wrong, as a sentence.
    var message: String { get }
    /// The way out.
    var hint: String { get }
    /// What the command line exits with.
    var exitCode: Int32 { get }
}

extension DescribedError {
    public var exitCode: Int32 { 125 }
}

extension NodeError: DescribedError {}
extension APIFailure: DescribedError {}
extension HostError: DescribedError {}
extension MeshError: DescribedError {}
extension TransferError: DescribedError {}
extension RaftError: DescribedError {}
extension RaftLogError: DescribedError {}
extension RingError: DescribedError {}
extension StoreError: DescribedError {}

extension TokenError: DescribedError {
    public var exitCode: Int32 {
        switch self {
        case .accessDenied, .accessRevoked, .accessEpoch, .accessNotIssued, .accessKeyReplaced, .accessScope: 4
        default: 125
        }
    }
}

extension SchedulerError: DescribedError {
    public var exitCode: Int32 { SchedulerError.exitCode(ofCode: code) }
}

extension CodecError: DescribedError {
    public var hint: String { "use the same version of swarmlet on both sides: swarmlet version" }
}

extension APIFailure {
    /// What a caller is told of an error of any module.
    public init(_ error: any Error) {
        if let described = error as? any DescribedError {
            self.init(
                code: described.code, message: described.message, hint: described.hint, exitCode: described.exitCode)
        } else {
            self.init(
                code: "node.internal", message: "\(error)", hint: "send this line to those who keep swarmlet",
                exitCode: 125)
        }
    }

    /// The refusal of the replicated state, if the answer is one.
    init?(refusal answer: Answer) {
        guard case .refused(let code, let message, let hint) = answer else { return nil }
        self.init(code: code, message: message, hint: hint, exitCode: answer.exitCode)
    }
}
