/// `swarmlet completion`: a script by which a shell completes commands and flags.
enum CompletionCommand {
    static let declaration = Command(
        "completion", summary: "Print a completion script for a shell",
        operands: .words(placeholder: "bash|zsh|fish", least: 1, most: 1),
        examples: [
            .init("source <(swarmlet completion bash)", "in ~/.bashrc"),
            .init("swarmlet completion fish > ~/.config/fish/completions/swarmlet.fish", "for fish"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let shown = CommandTable.commands.filter { $0.visibility == .shown }
        switch invocation.operands[0] {
        case "bash": try terminal.result(bash(shown))
        case "zsh": try terminal.result("autoload -U +X bashcompinit && bashcompinit\n" + bash(shown))
        case "fish": try terminal.result(fish(shown))
        default:
            throw .badOperand(
                value: invocation.operands[0], expectation: "bash, zsh or fish", example: "swarmlet completion bash")
        }
        return ExitCode.success
    }

    private static func words(_ command: Command) -> String {
        flags(command).map { "--\($0.name)" }.joined(separator: " ")
    }

    /// Its own flags, those of its subcommands and those of every command, each once.
    private static func flags(_ command: Command) -> [Flag] {
        var flags: [Flag] = []
        for flag in command.flags + command.subcommands.flatMap(\.flags) + CommandTable.globalFlags
        where !flags.contains(where: { $0.name == flag.name }) {
            flags.append(flag)
        }
        return flags
    }

    private static func names(_ command: Command) -> String {
        command.subcommands.map { String($0.lastWord) }.joined(separator: " ")
    }

    private static func bash(_ commands: [Command]) -> String {
        let cases = commands.map { "        \($0.name)) words='\(words($0))' names='\(names($0))' ;;" }.joined(
            separator: "\n")
        return """
            _swarmlet() {
                local word=${COMP_WORDS[COMP_CWORD]} words= names=
                if [ "$COMP_CWORD" -eq 1 ]; then
                    words='help \(commands.map(\.name).joined(separator: " "))'
                else
                    case ${COMP_WORDS[1]} in
            \(cases)
                    esac
                    case $word in -*) ;; *) words=; [ "$COMP_CWORD" -ne 2 ] || words=$names ;; esac
                fi
                COMPREPLY=($(compgen -W "$words" -- "$word"))
            }
            complete -o default -F _swarmlet swarmlet

            """
    }

    private static func fish(_ commands: [Command]) -> String {
        var lines = ["complete -c swarmlet -e"]
        for command in commands {
            lines.append(
                "complete -c swarmlet -f -n __fish_use_subcommand -a \(command.name) -d '\(plain(command.summary))'")
            for sub in command.subcommands {
                lines.append(
                    "complete -c swarmlet -f -n '__fish_seen_subcommand_from \(command.name)'"
                        + " -a \(sub.lastWord) -d '\(plain(sub.summary))'")
            }
            for flag in flags(command) {
                let short = flag.short.map { " -s \($0)" } ?? ""
                let value = flag.value.placeholder == nil ? "" : " -r"
                lines.append(
                    "complete -c swarmlet -n '__fish_seen_subcommand_from \(command.name)'"
                        + " -l \(flag.name)\(short)\(value) -d '\(plain(flag.help))'")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Text without the quote that would end it.
    private static func plain(_ text: String) -> String { String(text.filter { $0 != "'" }) }
}
