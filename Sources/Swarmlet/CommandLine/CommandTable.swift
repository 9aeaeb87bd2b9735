/// All commands, in the order help shows them.
enum CommandTable {
    static let commands: [Command] = [
        UpCommand.declaration, JoinCommand.declaration, InviteCommand.declaration, ApproveCommand.declaration,
        MembersCommand.declaration, RunCommand.declaration, PsCommand.declaration, LogsCommand.declaration,
        CancelCommand.declaration, WaitCommand.declaration, InspectCommand.declaration, CpCommand.declaration,
        LeaveCommand.declaration, DoctorCommand.declaration, VersionCommand.declaration, DaemonCommand.declaration,
        CompletionCommand.declaration, CollectCommand.declaration,
    ]

    /// Flags that every command takes.
    static let globalFlags: [Flag] = [
        Flag("data-dir", .text(placeholder: "DIR"), "where this node keeps its state (or SWARMLET_DATA_DIR)"),
        Flag("json", "print one JSON object; errors are one RFC 9457 object on stderr"),
        Flag("quiet", short: "q", "print ids only, and nothing on stderr but errors"),
        Flag("help", short: "h", "print this"),
    ]

    /// The command of this name, or why there is none.
    static func command(named name: String) throws(CommandError) -> Command {
        if let command = commands.first(where: { $0.name == name }) { return command }
        if let instead = NotYet.command(name) { throw .notYet(what: name, instead: instead) }
        let names = commands.filter { $0.visibility == .shown }.map(\.name)
        throw .unknownCommand(name: name, nearest: NearestMatch.find(name, among: names))
    }
}
