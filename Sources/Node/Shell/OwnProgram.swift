import Codec
import GPUBackend
import Ring

/// The program that this daemon runs, told from others of its version by its digest. Confined to its loop.
final class OwnProgram: @unchecked Sendable {
    /// Where it is installed: what a new start executes.
    let path = Executable.installedPath
    /// nil while it is being read.
    private(set) var digest: Digest?
    /// After `digest` has come.
    var onFound: (() -> Void)?
    /// When this daemon last signed that a program is to run somewhere.
    var signedAt: Int64 = 0
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    /// Reads it, beside the loop.
    func start(_ log: DaemonLog) {
        loop.spawn("own program") { [self] in
            let found = await loop.offload {
                Result { () throws(HostError) in try ProgramFile.digest(Executable.reference) }
            }
            switch found {
            case .success(let digest):
                self.digest = digest
                onFound?()
            case .failure(let error): log.warning("this program cannot be read: \(error.message)")
            }
        }
    }
}
