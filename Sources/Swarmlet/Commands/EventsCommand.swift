import Codec
import Node

/// `swarmlet events`: what happens to the members.
enum EventsCommand {
    static let declaration = Command(
        "events", summary: "Show what happened to the hosts of the mesh",
        flags: [Flag("follow", short: "f", "go on with what comes, until Ctrl-C")],
        details: [
            """
            As this host saw it since its daemon started, the newest 1024: join, suspect (and who said so), alive, dead,
            left (its daemon stopped, or it left the mesh), facts (what a host says of itself has changed), removed. With
            --json one object a line.
            """
        ],
        examples: [
            .init("swarmlet events -f", "watch"),
            .init("swarmlet events --json | jq -r 'select(.event == \"dead\").node'", "for other tools"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let client = try LocalClient(try DataDirectory.chosen(invocation))
        try client.send(.events(EventsRequest(follow: invocation.has("follow"))))
        if terminal.format == .text { try terminal.result(line("TIME", "NODE", "EVENT", "DETAIL")) }
        while true {
            switch try client.reply() {
            case .events(let view):
                if view.missed > 0 { terminal.warn("\(view.missed) events came faster than they were read") }
                for event in view.events { try show(event, terminal) }
            case .done: return ExitCode.success
            default: throw .badAnswer(reason: "another reply than events")
            }
        }
    }

    private static func show(_ event: EventView, _ terminal: Terminal) throws(CommandError) {
        let time = Timestamp.rfc3339Milliseconds(Instant(nanoseconds: event.at))
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("at", .string(time)), ("node", .string(event.node)),
                    ("event", .string(event.event)), ("detail", .optional(event.detail)),
                ]))
        } else {
            try terminal.result(line(time, event.node, event.event, event.detail ?? "-"))
        }
    }

    /// Columns that stay where they are although what comes is not known yet.
    private static func line(_ time: String, _ node: String, _ event: String, _ detail: String) -> String {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count) + 2)
        }
        return padded(time, 24) + padded(node, 12) + padded(event, 8) + detail + "\n"
    }
}
