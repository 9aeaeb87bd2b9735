import CLinux
import Codec
import GPUBackend
import Glibc
import Node

/// `swarmlet upgrade-watch`: takes an upgrade back where the new daemon does not come. The old program, so it knows nothing of
/// what the new one may do otherwise.
enum UpgradeWatchCommand {
    static let declaration = Command(
        UpgradeWatch.word, summary: "Take an upgrade back where the new daemon does not come",
        flags: [
            Flag("program", .text(placeholder: "PATH"), "where swarmlet is installed"),
            Flag("digest", .text(placeholder: "DIGEST"), "of the program that is to come"),
            Flag("locked", "what opens the keys of the host is on stdin"),
        ],
        examples: [
            .init("swarmlet upgrade-watch --program /usr/bin/swarmlet --digest 1f3a...", "as a daemon starts it")
        ],
        visibility: .hidden, run: run)

    /// It has come, and may still fall over.
    private static let probation = Interval.seconds(3)
    private static let pauseMilliseconds: Int32 = 50
    private static let killMilliseconds: Int32 = 10_000

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard let path = invocation.text("program"), let digest = invocation.text("digest").flatMap(Digest.init(hex:))
        else { throw .conflict(message: "upgrade-watch is not for typing", hint: "swarmlet upgrade --help") }
        signal(SIGHUP, SIG_IGN)
        let directory = try DataDirectory.chosen(invocation)
        let watch = Watch(directory: directory, path: path, digest: digest, isLocked: invocation.has("locked"))
        guard let reason = watch.reasonOfFailure(), watch.isNewest else { return ExitCode.success }
        terminal.warn("the new swarmlet is taken back: \(reason)")
        try watch.takeBack(reason)
        return ExitCode.success
    }

    private struct Watch {
        let directory: DataDirectory
        let path: String
        let digest: Digest
        let isLocked: Bool

        /// What the daemon here says of itself; nil where none answers.
        private func status() -> StatusView? {
            do throws(CommandError) {
                let client = try LocalClient(directory)
                try client.send(.status)
                let deadline = Clock.sinceBoot() + Interval.seconds(1)
                if case .reply(.status(let view)) = try client.next(signals: nil, until: deadline) { return view }
            } catch {
                // It is on its way from one to the other.
            }
            return nil
        }

        /// Waits; nil: the new daemon has come, and stays.
        func reasonOfFailure() -> String? {
            // The old one first hands over and ends.
            let deadline = Clock.sinceBoot() + directory.startPatience + Interval.seconds(15)
            var since: Instant?
            var objection = "no daemon answers"
            while true {
                let now = Clock.sinceBoot()
                if hasEnded(within: pauseMilliseconds) { return "its daemon has ended" }
                if let since, now >= since + probation { return nil }
                if since == nil, let view = status() {
                    if view.program != digest {
                        objection = "the daemon is still the old one"
                    } else if let failure = view.failure {
                        objection = failure
                    } else {
                        since = now
                    }
                }
                guard now < deadline || since != nil else { return objection }
            }
        }

        /// Not where another upgrade came before this one had passed: that is for its own watch.
        var isNewest: Bool {
            do throws(HostError) { return try HostFiles.readText(directory.upgradeTried) == digest.hex } catch {
                return true
            }
        }

        private func hasEnded(within milliseconds: Int32) -> Bool {
            var process = pollfd(fd: UpgradeWatch.process, events: Int16(POLLIN), revents: 0)
            return poll(&process, 1, milliseconds) > 0
        }

        /// The old program where it was, and running.
        func takeBack(_ reason: String) throws(CommandError) {
            var place = path
            do {
                try ProgramFile.copy(directory.programBefore, to: path)
            } catch {
                // Its directory is closed to this user: it runs from where it was kept.
                place = directory.programBefore
            }
            do {
                try ProgramFile.write(to: directory.upgradeFailure) { put in
                    try put(Array("\(digest.hex) \(reason)".utf8)[...])
                }
            } catch { throw .refused(APIFailure(error)) }
            // One that was never executed may go on.
            if let view = status(), view.program != digest { return }
            if !hasEnded(within: 0) {
                _ = clinux_signal_process(UpgradeWatch.process, SIGKILL)
                _ = hasEnded(within: killMilliseconds)
            }
            // A service manager may be faster.
            try DaemonStarter(directory, program: place).ensureRunning(
                [], Terminal(format: .text, volume: .quiet), keys: isLocked ? .descriptor(UpgradeWatch.keys) : .unsaid)
        }
    }
}
