import Codec

/// All commands, in the order help shows them.
enum CommandTable {
    static let commands: [Command] = [
        UpCommand.declaration, JoinCommand.declaration, InviteCommand.declaration, ApproveCommand.declaration,
        guest(MembersCommand.declaration), EventsCommand.declaration, guest(RunCommand.declaration),
        guest(PsCommand.declaration), guest(LogsCommand.declaration), guest(CancelCommand.declaration),
        PauseCommand.pause, PauseCommand.resume, guest(AttachCommand.declaration),
        ExecCommand.declaration, PortForwardCommand.declaration, guest(WaitCommand.declaration),
        guest(InspectCommand.declaration), ExplainCommand.declaration, guest(CpCommand.declaration),
        TokenCommand.declaration, AuditCommand.declaration, UpgradeCommand.declaration, LeaveCommand.declaration,
        NodeCommand.declaration,
        ConfigCommand.declaration, RaftCommand.declaration, KeyCommand.declaration,
        RotateCommand.declaration,
        PingCommand.declaration,
        DoctorCommand.declaration,
        VersionCommand.declaration,
        DaemonCommand.declaration,
        CompletionCommand.declaration, CollectCommand.declaration, UpgradeWatchCommand.declaration,
        SelfTestCommand.declaration, MPICommand.declaration,
    ]

    /// The command as a guest of a mesh can use it, too.
    private static func guest(_ command: Command) -> Command {
        Command(
            command.name, summary: command.summary, operands: command.operands, flags: command.flags + [GuestDoor.flag],
            details: command.details, examples: command.examples, visibility: command.visibility, run: command.run)
    }

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

    /// The command that these words begin with, and the words after its name.
    static func command(of words: ArraySlice<String>) throws(CommandError) -> (Command, ArraySlice<String>) {
        guard let first = words.first else { throw .unknownCommand(name: "", nearest: nil) }
        let command = try command(named: first)
        let rest = words.dropFirst()
        guard !command.subcommands.isEmpty, let at = subcommand(in: rest) else { return (command, rest) }
        let word = rest[at]
        guard let found = command.subcommands.first(where: { $0.lastWord == word }) else {
            let nearest = NearestMatch.find(word, among: command.subcommands.map { String($0.lastWord) })
            throw .unknownSubcommand(name: word, group: command.name, nearest: nearest)
        }
        return (found, (rest[..<at] + rest[(at + 1)...])[...])
    }

    /// Where the second word is: global flags may stand before it.
    private static func subcommand(in words: ArraySlice<String>) -> Int? {
        var at = words.startIndex
        while at < words.endIndex, words[at].hasPrefix("-") { at += words[at] == "--data-dir" ? 2 : 1 }
        return at < words.endIndex ? at : nil
    }
}
