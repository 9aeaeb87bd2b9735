/// Lays out help from the declarations of the commands; docs/cli.md holds the same texts and a test compares them.
enum HelpText {
    static func overview(_ commands: [Command]) -> String {
        let rows = commands.filter { $0.visibility == .shown }.map { (left: $0.name, right: $0.summary) }
        return """
            swarmlet turns the hosts you have into one place to run work. There is no head node.

            Usage: swarmlet COMMAND [FLAGS] [ARGUMENTS]

            Start here:
              swarmlet up                                 start a mesh on this host
              swarmlet invite | ssh HOST swarmlet join -  add a host to it
              swarmlet run --gpus 1 -- COMMAND            run a command where it fits

            Commands:
            \(columns(rows))

            More: swarmlet COMMAND --help

            """
    }

    static func page(_ command: Command) -> String {
        var parts = ["\(command.summary).", "Usage: \(command.usage)"]
        parts.append(contentsOf: command.details)
        if !command.subcommands.isEmpty {
            let rows = command.subcommands.map { (left: $0.name, right: $0.summary) }
            parts.append("Commands:\n" + columns(rows))
        }
        if !command.flags.isEmpty { parts.append("Flags:\n" + columns(command.flags.map(row))) }
        parts.append("Everywhere:\n" + columns(CommandTable.globalFlags.map(row)))
        let examples = command.examples.map { (left: $0.line, right: $0.meaning) }
        parts.append("Examples:\n" + columns(examples, widest: 60))
        return parts.joined(separator: "\n\n") + "\n"
    }

    private static func row(_ flag: Flag) -> (left: String, right: String) {
        let short = flag.short.map { "-\($0), " } ?? "    "
        let more: String
        if case .repeated = flag.occurrence { more = " (repeatable)" } else { more = "" }
        return (left: short + flag.spelling, right: flag.help + more)
    }

    /// Two columns, two spaces in; a left part wider than `widest` puts its right part on the next line.
    private static func columns(_ rows: [(left: String, right: String)], widest: Int = 30) -> String {
        let width = rows.map(\.left.count).filter { $0 <= widest }.max() ?? 0
        let lines = rows.map { row in
            guard row.left.count <= width else {
                return "  \(row.left)\n  \(String(repeating: " ", count: width))  \(row.right)"
            }
            return "  \(row.left)\(String(repeating: " ", count: width - row.left.count))  \(row.right)"
        }
        return lines.joined(separator: "\n")
    }
}
