import Codec
import Node
import Tokens

/// `swarmlet token watch`: what happens to tokens.
enum TokenWatching {
    static let declaration = Command(
        "token watch", summary: "Watch tokens being made, used, refused and withdrawn, until Ctrl-C",
        operands: .words(placeholder: "TOKEN", least: 0, most: 1),
        details: [
            """
            Begins with what this host knows, the newest 1024: issued, used (and the job), revoked (and by whom), issuer,
            refused (and why). What was refused by another host, before it came into the mesh's log, is seen there alone.
            Members of the group swarmlet see their own tokens. With --json one object a line.
            """
        ],
        examples: [
            .init("swarmlet token watch", "all that one may see"),
            .init("swarmlet token watch 9f3c", "one, by the id that create said"),
            .init("swarmlet token watch --json | jq -r 'select(.event == \"refused\")'", "for other tools"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let name = invocation.operands.isEmpty ? nil : try TokenMaking.named(invocation).name
        let client = try LocalClient(try DataDirectory.chosen(invocation))
        try client.send(.token(.watch(name)))
        if terminal.format == .text { try terminal.result(line("TIME", "ID", "EVENT", "DETAIL")) }
        while true {
            guard case .tokenEvents(let view) = try client.reply() else {
                throw .badAnswer(reason: "another reply than what happened to tokens")
            }
            if view.missed > 0 { terminal.warn("\(view.missed) events came faster than they were read") }
            for event in view.events { try show(event, terminal) }
        }
    }

    private static func show(_ event: TokenEventView, _ terminal: Terminal) throws(CommandError) {
        let time = Timestamp.rfc3339Milliseconds(Instant(nanoseconds: event.at))
        let id = event.token.map(AccessGrant.shortID)
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("at", .string(time)), ("id", .optional(id)),
                    ("name", .optional(event.token)), ("event", .string(event.event.rawValue)),
                    ("detail", .optional(event.detail)),
                ]))
        } else {
            try terminal.result(line(time, id ?? "-", event.event.rawValue, event.detail ?? "-"))
        }
    }

    /// Columns that stay where they are although what comes is not known yet.
    private static func line(_ time: String, _ id: String, _ event: String, _ detail: String) -> String {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count) + 2)
        }
        return padded(time, 24) + padded(id, 4) + padded(event, 8) + detail + "\n"
    }
}
