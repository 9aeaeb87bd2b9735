import Node

/// `swarmlet` alone: what there is, and how to start where nothing runs.
enum Overview {
    static func show(_ flags: [String], _ terminal: Terminal) throws(CommandError) -> Int32 {
        try terminal.result(HelpText.overview(CommandTable.commands))
        let version = try CommandTable.command(named: "version")
        let directory = try DataDirectory.chosen(try CommandLineParser.parse(flags, of: version))
        do throws(CommandError) {
            _ = try LocalClient(directory)
        } catch {
            terminal.warn("\(error.message)\nswarmlet: \(error.hint)")
        }
        return ExitCode.success
    }
}
