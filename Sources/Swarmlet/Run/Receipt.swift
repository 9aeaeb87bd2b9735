import Codec
import GPUBackend
import Node
import Scheduler

/// The proof that a job was accepted, as a file that tells others without the mesh. Where it cannot be had the job goes on.
struct Receipt {
    private let directory: DataDirectory
    private let terminal: Terminal

    init(_ directory: DataDirectory, _ terminal: Terminal) {
        self.directory = directory
        self.terminal = terminal
    }

    /// Waits some seconds until the mesh has signed it.
    func write(of job: JobID, to path: String) {
        do {
            guard case .audit(.proof(let proof)) = try LocalClient.call(.audit(.proofOfJob(job)), directory) else {
                return terminal.warn("job \(job): no receipt: the daemon gave another answer than a proof")
            }
            try HostFiles.replace(path, with: Array(proof.text.utf8))
            terminal.note("job \(job): receipt in \(path): event \(proof.sequence) of the audit log")
        } catch let error as CommandError {
            terminal.warn("job \(job): no receipt: \(error.message) [\(error.code)]")
        } catch {
            terminal.warn("job \(job): no receipt: \(APIFailure(error).message)")
        }
    }
}
