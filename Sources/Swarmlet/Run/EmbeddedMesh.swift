import Codec
import Glibc
import Node

/// A mesh of one node that lives as long as one job: `run --here`.
struct EmbeddedMesh {
    let directory: DataDirectory
    private let temporary: TemporaryDirectory
    private let daemon: pid_t

    /// How long a daemon may take to stop before it is killed.
    private static let patience = Interval(nanoseconds: 5_000_000_000)

    static func start(_ terminal: Terminal) throws(CommandError) -> EmbeddedMesh {
        let place = Environment.value("TMPDIR") ?? "/tmp"
        let temporary = try TemporaryDirectory(prefix: place + "/swarmlet-here-")
        do throws(CommandError) {
            let directory = DataDirectory(path: temporary.path)
            let flags = ["--listen", "127.0.0.1", "--port", "0", "--with-parent"]
            let daemon = try DaemonStarter(directory).start(flags, terminal)
            _ = try LocalClient.call(.up(UpRequest(meshName: "here", nodeName: nil, labels: [])), directory)
            return EmbeddedMesh(directory: directory, temporary: temporary, daemon: daemon)
        } catch {
            // The log says why, and goes with the directory.
            temporary.remove()
            throw error
        }
    }

    /// Stops the daemon and removes everything it kept.
    func stop() {
        kill(daemon, SIGTERM)
        let deadline = Clock.sinceBoot() + Self.patience
        var status: Int32 = 0
        while waitpid(daemon, &status, WNOHANG) == 0 {
            if Clock.sinceBoot() > deadline { kill(daemon, SIGKILL) }
            _ = LocalClient.wait(for: nil, signals: nil, until: Clock.sinceBoot() + Interval(nanoseconds: 5_000_000))
        }
        temporary.remove()
    }
}
