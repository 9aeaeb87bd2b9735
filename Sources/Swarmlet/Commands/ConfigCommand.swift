import Codec
import Node
import Scheduler

/// `swarmlet config`: the settings of the mesh.
enum ConfigCommand {
    static let declaration = Command(
        group: "config", summary: "Show and change the settings of the mesh",
        details: [
            """
            Settings hold for the whole mesh, from the moment they are acknowledged. Those of the mesh itself are an
            administrator's; keys that begin with user. are free for everybody who may use it: 1,000 of them, of
            letters, digits and . _ - with up to 1,024 bytes each.
            """,
            "Settings of the mesh:\n"
                + MeshSetting.allCases.sorted { $0.key < $1.key }.map {
                    "  \($0.key)  (default \($0.defaultValue))\n      \($0.meaning):\n      \($0.form)"
                }.joined(separator: "\n"),
        ],
        examples: [
            .init("swarmlet config ls", "all settings, and who changed them"),
            .init("swarmlet config set autopilot.voters 5", "five voters, where there are the nodes for them"),
        ], subcommands: [list, get, set, unset])

    private static let list = Command(
        "config ls", summary: "List the settings of the mesh",
        examples: [
            .init("swarmlet config ls", "the table"),
            .init("swarmlet config ls --json | jq '.settings[]'", "for other tools"),
        ], run: list)

    private static let get = Command(
        "config get", summary: "Print the value of a setting",
        operands: .words(placeholder: "KEY", least: 1, most: 1),
        details: [
            """
            Prints what holds now: a value that was acknowledged before is seen, on whatever node it is asked. The key
            access is no setting: it says what you may do on this host.
            """
        ],
        examples: [.init("swarmlet config get autopilot.voters", "its value, or its default")], run: get)

    private static let set = Command(
        "config set", summary: "Give a setting a value",
        operands: .words(placeholder: "KEY VALUE", least: 2, most: 2),
        details: ["Returns when a majority of the voters has it on disk."],
        examples: [
            .init("swarmlet config set autopilot.replace-dead-voter-after 10m", "be patient with hosts that restart"),
            .init("swarmlet config set user.motd 'no jobs on sunday'", "a key of one's own"),
        ], run: set)

    private static let unset = Command(
        "config unset", summary: "Give a setting its default again, or remove a key of one's own",
        operands: .words(placeholder: "KEY", least: 1, most: 1),
        examples: [.init("swarmlet config unset user.motd", "remove it")], run: unset)

    static let columns = ["KEY", "VALUE", "DEFAULT", "CHANGED", "BY"]

    private static func list(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard case .settings(let view) = try LocalClient.call(.settings, try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than settings")
        }
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)),
                    ("stale_seconds", view.staleMilliseconds.map { .number(Double($0) / 1000) } ?? .null),
                    ("settings", .array(view.settings.map(json))),
                ]))
        } else if terminal.volume == .quiet {
            try terminal.result(view.settings.map { $0.key + "\n" }.joined())
        } else {
            var table = Table(columns)
            for setting in view.settings {
                table.add([
                    setting.key, setting.value, setting.defaultValue,
                    setting.changedAt.map { Timestamp.rfc3339(Instant(nanoseconds: $0)) }, setting.changedBy,
                ])
            }
            try terminal.result(table.text(width: terminal.tableWidth))
            Staleness.tell(view.staleMilliseconds, terminal)
        }
        return ExitCode.success
    }

    private static func get(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let request = APIRequest.setting(invocation.operands[0])
        guard case .setting(let view) = try LocalClient.call(request, try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than a setting")
        }
        if terminal.format == .json {
            try terminal.result(.object([("schema_version", .integer(1)), ("setting", json(view))]))
        } else {
            try terminal.result(view.value + "\n")
        }
        return ExitCode.success
    }

    private static func set(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        try change(invocation, terminal, to: invocation.operands[1])
    }

    private static func unset(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        try change(invocation, terminal, to: nil)
    }

    private static func change(
        _ invocation: Invocation, _ terminal: Terminal, to value: String?
    ) throws(CommandError) -> Int32 {
        let key = invocation.operands[0]
        var random = SystemRandomNumberGenerator()
        let request = ConfigureRequest(
            request: RequestID(high: random.next(), low: random.next()), key: key, value: value)
        _ = try LocalClient.call(.configure(request), try DataDirectory.chosen(invocation))
        if terminal.format == .json {
            try terminal.result(
                .object([("schema_version", .integer(1)), ("key", .string(key)), ("value", .optional(value))]))
        } else if let value {
            terminal.note("\(key) is now \(value)")
        } else {
            terminal.note("\(key) is no longer set")
        }
        return ExitCode.success
    }

    private static func json(_ setting: SettingView) -> JSON {
        .object([
            ("key", .string(setting.key)), ("value", .string(setting.value)),
            ("default", .optional(setting.defaultValue)), ("changed_at", .time(setting.changedAt)),
            ("changed_by", .optional(setting.changedBy)),
        ])
    }
}
