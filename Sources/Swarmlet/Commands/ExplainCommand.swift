import Codec
import Node

/// `swarmlet explain`: why a job waits, host by host.
enum ExplainCommand {
    static let declaration = Command(
        "explain", summary: "Say why a job has not begun, host by host",
        operands: .words(placeholder: "JOB", least: 1, most: 1),
        examples: [.init("swarmlet explain 3", "what each host lacks for job 3, and what would let it begin")], run: run
    )

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let job = try JobReference(invocation.operands[0], for: "explain").job
        guard case .explanation(let view) = try LocalClient.call(.explain(job), try DataDirectory.chosen(invocation))
        else { throw .badAnswer(reason: "another reply than an explanation") }
        if terminal.format == .json {
            try terminal.result(json(view))
        } else {
            try terminal.result(text(view, width: terminal.tableWidth))
        }
        return ExitCode.success
    }

    static func text(_ view: ExplainView, width: Int?) -> String {
        if let state = view.state { return "job \(view.job) does not wait: \(state)\n" }
        var table = Table(["NODE", "GPUS", "FREE", "WHY NOT"])
        for row in view.rows { table.add([row.node, "\(row.gpus)", row.freeGPUs.map { "\($0)" }, row.reason]) }
        var ways: [String] = []
        if let event = view.startsWhen { ways.append("starts when: \(event).") }
        if let flags = view.startsNow { ways.append("starts now with: \(flags)") }
        if ways.isEmpty { ways.append("no host has what it asks for: add one with swarmlet invite") }
        return table.text(width: width) + ways.joined(separator: " ") + "\n"
    }

    private static func json(_ view: ExplainView) -> JSON {
        .object([
            ("schema_version", .integer(1)), ("job", .string("\(view.job)")), ("state", .optional(view.state)),
            (
                "nodes",
                .array(
                    view.rows.map { row in
                        .object([
                            ("node", .string(row.node)), ("gpus", .integer(Int64(row.gpus))),
                            ("free_gpus", row.freeGPUs.map { .integer(Int64($0)) } ?? .null),
                            ("reason", .string(row.reason)),
                        ])
                    })
            ),
            ("starts_when", .optional(view.startsWhen)), ("starts_now_with", .optional(view.startsNow)),
        ])
    }
}
