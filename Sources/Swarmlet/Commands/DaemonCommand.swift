import CLinux
import Glibc
import Node
import Ring
import Scheduler

/// `swarmlet daemon`: the node itself, in the foreground.
enum DaemonCommand {
    static let declaration = Command(
        "daemon", summary: "Run this host's node in the foreground",
        flags: HostFlags.daemon + [Flag("with-parent", "end when the process that started it ends")],
        details: [
            "Runs what the data directory says, and waits for up or join where it says nothing. This is what a service\n"
                + "manager starts; up and join start it in the background. Its flags are kept for the next start, but for\n"
                + "the passphrase: without --passphrase it is $CREDENTIALS_DIRECTORY/swarmlet-passphrase, if there is one."
        ],
        examples: [.init("swarmlet daemon --data-dir /var/lib/swarmlet", "under a service manager")], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        if invocation.has("with-parent"), swarmlet_end_with_parent(SIGTERM) != 0 {
            return ExitCode.signalled(SIGTERM)
        }
        let options = DaemonOptions(
            directory: try DataDirectory.chosen(invocation), listen: invocation.text("listen"),
            port: invocation.count("port").map { UInt16($0) }, simulatedGPUs: invocation.text("simulate-gpus"),
            leastProfile: HostFlags.leastProfile(invocation), allowedMounts: try HostFlags.allowedMounts(invocation),
            owner: try HostFlags.owner(invocation), lock: try PassphraseSource.lock(invocation),
            eventLoop: try eventLoop(), levels: try levels())
        do {
            try Daemon.run(options)
        } catch {
            throw .refused(APIFailure(error))
        }
        return ExitCode.success
    }

    /// `SWARMLET_LEVELS` is for tests of meshes of mixed versions: this program then passes for another.
    private static func levels() throws(CommandError) -> ProtocolLevels {
        guard let text = Environment.value("SWARMLET_LEVELS") else { return .current }
        guard let levels = ProtocolLevels(text) else {
            throw .conflict(message: "SWARMLET_LEVELS is \(text)", hint: "set it to LOWEST-HIGHEST, or leave it out")
        }
        return levels
    }

    /// `SWARMLET_IO` chooses the event loop; without it, the best one that this host has.
    private static func eventLoop() throws(CommandError) -> EventLoops.Preference {
        switch Environment.value("SWARMLET_IO") {
        case nil: return .automatic
        case "epoll": return .epoll
        case "io_uring": return .ioUring
        case let other?:
            throw .conflict(message: "SWARMLET_IO is \(other)", hint: "set it to io_uring or epoll, or leave it out")
        }
    }
}
