import Codec
import GPUBackend
import Glibc
import Ring

/// A supervisor that is started ahead, so that a job does not wait until a process has begun. It has no job until one
/// comes, and is then that job's own. Confined to its loop.
///
/// It waits in `supervisors/spare-N` and is moved to its job's place with everything in it. It lives as long as the
/// daemon is connected to it, and a few seconds more.
final class SpareSupervisor: @unchecked Sendable {
    /// A supervisor in the place of its job, and the connection to it.
    struct Taken {
        let directory: SupervisorDirectory
        let socket: Int32
    }

    private let parent: String
    private let loop: any EventLoop
    private let log: DaemonLog
    private var ready: Taken?
    private var isStarting = false
    private let started: LoopSignal
    private var isStopped = false
    private var count = 0
    /// What was started here last could have used a sandbox that stands ready: the next one keeps one.
    var expectsStrict = false

    private static let prefix = "spare-"

    init(parent: String, loop: any EventLoop, log: DaemonLog) {
        self.parent = parent
        self.loop = loop
        self.log = log
        started = LoopSignal(loop)
    }

    /// Ends what the last daemon kept ready. Before anything is started.
    func sweep() throws(HostError) {
        for name in try HostFiles.names(in: parent) where name.hasPrefix(SpareSupervisor.prefix) {
            SpareSupervisor.end(SupervisorDirectory(path: "\(parent)/\(name)"), by: SIGKILL, log)
        }
    }

    /// Whether there is none, and none on its way.
    var isMissing: Bool { ready == nil && !isStarting && !isStopped }

    /// Starts one if there is none.
    func prepare() {
        guard isMissing else { return }
        isStarting = true
        count += 1
        let directory = SupervisorDirectory(path: "\(parent)/\(SpareSupervisor.prefix)\(count)")
        let program = Executable.path
        let expectsStrict = expectsStrict
        loop.spawn("start a spare supervisor") { [self] in
            // The caller stands still until the program is executed: not this loop.
            let outcome = await loop.offload {
                Result { () throws(HostError) -> Int32 in
                    try directory.launch(program: program, expectsStrict: expectsStrict)
                    return try directory.connect()
                }
            }
            isStarting = false
            defer { started.notify() }
            switch outcome {
            case .success(let socket):
                ready = Taken(directory: directory, socket: socket)
                if isStopped { stop() }
            case .failure(let error):
                log.warning("no supervisor can be kept ready: \(error.message)")
                SpareSupervisor.end(directory, by: SIGKILL, log)
            }
        }
    }

    /// Returns when the one that is being started is ready: sooner than another would be.
    func settle() async throws {
        while isStarting, ready == nil { try await started.wait() }
    }

    /// The one that is ready, moved to this place; nil where there is none, or where the place is taken.
    func take(to path: String) -> Taken? {
        guard let spare = exchange(&ready, with: nil) else { return nil }
        guard spare.directory.runningProcess != nil else {
            discard(spare)
            return nil
        }
        do {
            return Taken(directory: try spare.directory.move(to: path), socket: spare.socket)
        } catch {
            ready = spare
            return nil
        }
    }

    func stop() {
        isStopped = true
        if let spare = exchange(&ready, with: nil) { discard(spare) }
    }

    private func discard(_ spare: Taken) {
        close(spare.socket)
        SpareSupervisor.end(spare.directory, by: SIGTERM, log)
    }

    /// It runs nothing, so nothing is lost with it.
    private static func end(_ directory: SupervisorDirectory, by signal: Int32, _ log: DaemonLog) {
        if let process = directory.runningProcess { kill(process, signal) }
        do throws(HostError) { try directory.remove() } catch {
            log.warning("cannot remove \(directory.path): \(error.message)")
        }
    }
}
