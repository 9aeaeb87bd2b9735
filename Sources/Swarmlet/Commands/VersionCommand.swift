import Codec
import Node

/// `swarmlet version`: of this program and of the daemon that runs here.
enum VersionCommand {
    static let declaration = Command(
        "version", summary: "Print the version of swarmlet",
        examples: [.init("swarmlet version --json", "with the version of the daemon that runs here")], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let running = try daemonVersion(try DataDirectory.chosen(invocation))
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("version", .string(Version.text)),
                    ("daemon_version", .optional(running)),
                ]))
            return ExitCode.success
        }
        try terminal.result("swarmlet \(Version.text)\n")
        if let running, running != Version.text {
            terminal.warn("the daemon here is \(running). To change it: swarmlet upgrade")
        }
        return ExitCode.success
    }

    /// nil where no daemon answers: `version` is asked of broken installations too.
    private static func daemonVersion(_ directory: DataDirectory) throws(CommandError) -> String? {
        do throws(CommandError) {
            guard case .version(let version) = try LocalClient.call(.version, directory) else { return nil }
            return version
        } catch {
            return nil
        }
    }
}
