import GPUBackend
import Glibc
import Node

/// `swarmlet`: reads the command line, runs the command, exits with its code.
@main
struct Main {
    static func main() {
        let arguments = CommandLine.arguments
        // Before anything else: a supervisor clones processes and may never have had a second thread.
        if arguments.count >= 3, arguments[1] == "supervisor" {
            let expectsStrict = arguments.dropFirst(3).first == SupervisorMain.strict
            exit(SupervisorMain.run(directory: arguments[2], expectsStrict: expectsStrict))
        }
        if arguments.count == 3, arguments[1] == DeviceWipe.word { exit(DeviceWipe.run(arguments[2])) }
        if arguments.count >= 2, arguments[1] == AttemptProxy.word {
            exit(ProxyServer.run(mesh: Array(arguments.dropFirst(2))))
        }
        if RankAgent.isMeant(arguments[0]) { exit(RankAgent.run(Array(arguments.dropFirst()))) }
        let code = run(Array(CommandLine.arguments.dropFirst()))
        GuestDoor.close()
        exit(code)
    }

    private static func run(_ words: [String]) -> Int32 {
        // What is known before the words are understood, for errors in them; a command gets what was really asked.
        let own = words.prefix { $0 != "--" }
        let terminal = Terminal(
            format: own.contains("--json") ? .json : .text,
            volume: own.contains("-q") || own.contains("--quiet") ? .quiet : .normal)
        return told(by: terminal) { () throws(CommandError) in try dispatch(words, terminal) }
    }

    /// The exit code, after an error was told; a reader that went away is told nothing.
    private static func told(by terminal: Terminal, _ work: () throws(CommandError) -> Int32) -> Int32 {
        do throws(CommandError) {
            return try work()
        } catch {
            if case .outputClosed = error { return error.exitCode }
            terminal.report(error)
            return error.exitCode
        }
    }

    private static func dispatch(_ words: [String], _ terminal: Terminal) throws(CommandError) -> Int32 {
        let (leading, rest) = globalFlags(words)
        guard let first = rest.first else { return try Overview.show(leading, terminal) }
        switch first {
        case "help" where rest.count > 1:
            try terminal.result(HelpText.page(try CommandTable.command(of: rest.dropFirst()).0))
            return ExitCode.success
        case "help", "--help", "-h":
            try terminal.result(HelpText.overview(CommandTable.commands))
            return ExitCode.success
        case "--version", "-V":
            return try dispatch(["version"] + leading, terminal)
        default:
            let (command, words) = try CommandTable.command(of: rest)
            let invocation = try CommandLineParser.parse(leading + words, of: command)
            guard !invocation.has("help") else {
                try terminal.result(HelpText.page(command))
                return ExitCode.success
            }
            let asked = Terminal(
                format: invocation.has("json") ? .json : .text, volume: invocation.has("quiet") ? .quiet : .normal,
                passesControls: invocation.has("raw"))
            return told(by: asked) { () throws(CommandError) in
                let code = try command.run(invocation, asked)
                try asked.endPass()
                return code
            }
        }
    }

    /// Global flags may stand before the command as well; everything else there is the command's name.
    private static func globalFlags(_ words: [String]) -> (leading: [String], rest: ArraySlice<String>) {
        var rest = words[...]
        while let word = rest.first {
            if ["--json", "-q", "--quiet"].contains(word) || word.hasPrefix("--data-dir=") {
                rest = rest.dropFirst()
            } else if word == "--data-dir" {
                rest = rest.dropFirst(2)
            } else {
                break
            }
        }
        return (Array(words[..<rest.startIndex]), rest)
    }
}
