/// The one declaration of a command: parsing, help, completion and the nearest match for a slip all come from it.
struct Command: Sendable {
    let name: String
    /// One line for the list of commands.
    let summary: String
    let operands: Operands
    let flags: [Flag]
    /// Paragraphs under the usage line, each already broken into lines.
    let details: [String]
    let examples: [Example]
    let visibility: Visibility
    /// Commands under this name, typed after it; where there are any, this one does nothing by itself.
    let subcommands: [Command]
    /// Does the work and returns the exit code.
    let run: @Sendable (Invocation, Terminal) throws(CommandError) -> Int32

    enum Visibility: Sendable {
        case shown
        /// For other parts of swarmlet, not for people.
        case hidden
    }

    struct Example: Sendable {
        let line: String
        let meaning: String

        init(_ line: String, _ meaning: String) {
            self.line = line
            self.meaning = meaning
        }
    }

    /// What may stand beside the flags.
    enum Operands: Sendable {
        case none
        /// Between `least` and `most` words, spelled `placeholder` in help.
        case words(placeholder: String, least: Int, most: Int)
        /// Everything from the first word that is no flag, or after `--`, belongs to the job.
        case jobCommand
        /// The same after the id of a job.
        case inJob
    }

    init(
        _ name: String, summary: String, operands: Operands = .none, flags: [Flag] = [], details: [String] = [],
        examples: [Example], visibility: Visibility = .shown,
        run: @escaping @Sendable (Invocation, Terminal) throws(CommandError) -> Int32
    ) {
        self.name = name
        self.summary = summary
        self.operands = operands
        self.flags = flags
        self.details = details
        self.examples = examples
        self.visibility = visibility
        self.run = run
        subcommands = []
    }

    /// A name for several commands: `config` of `config ls` and `config set`.
    init(
        group name: String, summary: String, details: [String] = [], examples: [Example], subcommands: [Command]
    ) {
        self.name = name
        self.summary = summary
        operands = .none
        flags = []
        self.details = details
        self.examples = examples
        visibility = .shown
        self.subcommands = subcommands
        run = { _, _ throws(CommandError) in throw CommandError.missingSubcommand(of: name) }
    }

    /// The last word of the name: `ls` of `config ls`.
    var lastWord: Substring { name.split(separator: " ").last ?? "" }

    /// `swarmlet run [FLAGS] [--] COMMAND [ARGUMENT...]`.
    var usage: String {
        guard subcommands.isEmpty else { return "swarmlet \(name) COMMAND [FLAGS] [ARGUMENTS]" }
        let options = " [FLAGS]"
        switch operands {
        case .none: return "swarmlet \(name)\(options)"
        case .words(let placeholder, _, _): return "swarmlet \(name)\(options) \(placeholder)"
        case .jobCommand: return "swarmlet \(name)\(options) [--] COMMAND [ARGUMENT...]"
        case .inJob: return "swarmlet \(name)\(options) JOB [--] COMMAND [ARGUMENT...]"
        }
    }
}
