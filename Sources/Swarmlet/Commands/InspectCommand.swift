import Codec
import Node
import Scheduler

/// `swarmlet inspect`: everything about one job or one node.
enum InspectCommand {
    static let declaration = Command(
        "inspect", summary: "Show everything about a job or a node",
        operands: .words(placeholder: "JOB|NODE", least: 1, most: 1),
        examples: [
            .init("swarmlet inspect 42", "attempts, checkpoints and results of job 42"),
            .init("swarmlet inspect lynx --json", "the node lynx, for other tools"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let operand = invocation.operands[0]
        let directory = try DataDirectory.chosen(invocation)
        guard DecimalText.isDigits(operand.prefix { $0 != "_" && $0 != ":" }) else {
            return try showNode(operand, directory, terminal)
        }
        let job = try JobReference(operand, for: "inspect").job
        guard case .job(let detail) = try LocalClient.call(.inspectJob(job), directory) else {
            throw .badAnswer(reason: "another reply than a job")
        }
        if terminal.format == .json {
            try terminal.result(InspectText.json(detail))
        } else {
            try terminal.result(InspectText.text(detail, width: terminal.tableWidth))
        }
        return ExitCode.success
    }

    static func showNode(
        _ name: String, _ directory: DataDirectory, _ terminal: Terminal
    ) throws(CommandError) -> Int32 {
        let member = try member(name, directory)
        if terminal.format == .json {
            try terminal.result(.object([("schema_version", .integer(1)), ("member", MembersText.json(member))]))
        } else {
            try terminal.result(InspectText.text(member, width: terminal.tableWidth))
        }
        return ExitCode.success
    }

    static func member(_ name: String, _ directory: DataDirectory) throws(CommandError) -> MemberView {
        guard case .member(let member) = try LocalClient.call(.inspectNode(name), directory) else {
            throw .badAnswer(reason: "another reply than a member")
        }
        return member
    }
}
