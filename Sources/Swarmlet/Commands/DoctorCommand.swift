import Codec
import Node

/// `swarmlet doctor`: what works on this host and what is weaker than it could be.
enum DoctorCommand {
    static let declaration = Command(
        "doctor", summary: "Check this host and its links to the other members",
        operands: .words(placeholder: "[NODE]", least: 0, most: 1),
        details: [
            """
            With NODE: the link to that host, dialled anew in each direction, its clock and what it says of itself; where
            a port is blocked, with the line that opens it. Exits with 1 if a check failed.
            """
        ],
        examples: [
            .init("swarmlet doctor", "all checks, and what to do about each that failed"),
            .init("swarmlet doctor lynx", "why lynx and this host do not hear each other"),
        ], run: run)

    static let columns = ["CHECK", "RESULT", "DETAIL"]

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let checks = try ask(invocation.operands.first, try DataDirectory.chosen(invocation))
        let failed = checks.filter { $0.result == "FAIL" }
        if terminal.format == .json {
            try terminal.result(.object([("schema_version", .integer(1)), ("checks", .array(checks.map(json)))]))
        } else {
            var table = Table(columns)
            for check in checks { table.add([check.check, check.result, check.detail]) }
            try terminal.result(table.text(width: terminal.tableWidth))
            if !failed.isEmpty {
                let hints = failed.compactMap(\.hint).joined(separator: ". ")
                let number = "\(failed.count) of \(checks.count) checks failed"
                terminal.warn(hints.isEmpty ? number : "\(number). \(hints)")
            }
        }
        return failed.isEmpty ? ExitCode.success : ExitCode.checkFailed
    }

    /// The daemon's checks; where there is no daemon, that is the one check, and it failed.
    private static func ask(_ peer: String?, _ directory: DataDirectory) throws(CommandError) -> [CheckView] {
        do throws(CommandError) {
            guard
                case .doctor(let checks) = try LocalClient.call(
                    peer.map { .doctorPeer($0) } ?? .doctor, directory)
            else {
                throw CommandError.badAnswer(reason: "another reply than checks")
            }
            return checks
        } catch {
            guard case .daemonUnreachable = error else { throw error }
            return [CheckView(check: "daemon", result: "FAIL", detail: error.message, hint: error.hint)]
        }
    }

    private static func json(_ check: CheckView) -> JSON {
        .object([
            ("check", .string(check.check)), ("result", .string(check.result)), ("detail", .string(check.detail)),
            ("hint", .optional(check.hint)),
        ])
    }
}
