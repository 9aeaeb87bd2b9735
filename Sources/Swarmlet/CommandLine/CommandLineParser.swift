import Codec

/// Turns the words of one command into an `Invocation`, or says what is wrong with them and what was probably meant.
struct CommandLineParser {
    let command: Command
    private var values: [String: [ParsedValue]] = [:]
    private var operands: [String] = []
    private var words: ArraySlice<String>

    /// Parses the words after the command's name.
    static func parse(_ words: [String], of command: Command) throws(CommandError) -> Invocation {
        var parser = CommandLineParser(command: command, words: words[...])
        return try parser.parse()
    }

    private init(command: Command, words: ArraySlice<String>) {
        self.command = command
        self.words = words
    }

    private mutating func parse() throws(CommandError) -> Invocation {
        while let word = words.popFirst() {
            if word == "--" {
                operands.append(contentsOf: words)
                break
            }
            if word.hasPrefix("--") {
                try parseLong(word)
            } else if word.hasPrefix("-"), word != "-" {
                try parseShort(word)
            } else {
                operands.append(word)
                switch command.operands {
                case .jobCommand: takeRest()
                case .inJob where operands.count == 1 && words.first == "--":
                    words.removeFirst()
                    takeRest()
                case .inJob: takeRest()
                case .none, .words: continue
                }
            }
        }
        if values["help"] == nil { try checkOperands() }
        return Invocation(command: command, operands: operands, values: values)
    }

    /// What follows is not ours to read.
    private mutating func takeRest() {
        operands.append(contentsOf: words)
        words = []
    }

    private mutating func parseLong(_ word: String) throws(CommandError) {
        let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts.isEmpty ? "" : String(parts[0])
        guard let flag = allFlags.first(where: { $0.name == name }) else { throw unknown("--\(name)", name) }
        try take(flag, attached: parts.count == 2 ? String(parts[1]) : nil)
    }

    /// `-d`, `-dq`, `-J gpt`, `-Jgpt`.
    private mutating func parseShort(_ word: String) throws(CommandError) {
        var letters = word.dropFirst()
        while let letter = letters.popFirst() {
            guard let flag = allFlags.first(where: { $0.short == letter }) else { throw unknown("-\(letter)", nil) }
            guard flag.value.placeholder != nil else {
                try take(flag, attached: nil)
                continue
            }
            return try take(flag, attached: letters.isEmpty ? nil : String(letters))
        }
    }

    private mutating func take(_ flag: Flag, attached: String?) throws(CommandError) {
        if case .once = flag.occurrence, values[flag.name] != nil, flag.value.placeholder != nil {
            throw .repeatedFlag(flag: "--\(flag.name)", command: command.name)
        }
        guard flag.value.placeholder != nil else {
            guard attached == nil else { throw .unexpectedValue(flag: "--\(flag.name)", command: command.name) }
            values[flag.name] = [.present]
            return
        }
        guard let text = attached ?? words.popFirst(), text != "--" else {
            throw .missingValue(spelling: flag.spelling, expectation: flag.value.expectation, command: command.name)
        }
        guard let value = ParsedValue(text, for: flag.value) else {
            throw .badValue(
                flag: "--\(flag.name)", value: text, expectation: flag.value.expectation, command: command.name)
        }
        values[flag.name, default: []].append(value)
    }

    private var allFlags: [Flag] { command.flags + CommandTable.globalFlags }

    private func unknown(_ typed: String, _ longName: String?) -> CommandError {
        if let instead = NotYet.flag(typed, of: command.name) { return .notYet(what: typed, instead: instead) }
        let nearest = longName.flatMap { NearestMatch.find($0, among: allFlags.map(\.name)) }
        return .unknownFlag(flag: typed, command: command.name, nearest: nearest.map { "--\($0)" })
    }

    private func checkOperands() throws(CommandError) {
        let example = command.examples.first?.line ?? "swarmlet \(command.name) --help"
        switch command.operands {
        case .none:
            if let extra = operands.first { throw .extraOperand(value: extra, command: command.name) }
        case .words(let placeholder, let least, let most):
            if operands.count < least {
                throw .missingOperand(what: placeholder, command: command.name, example: example)
            }
            if operands.count > most { throw .extraOperand(value: operands[most], command: command.name) }
        case .jobCommand:
            if operands.isEmpty { throw .missingOperand(what: "COMMAND", command: command.name, example: example) }
        case .inJob:
            guard operands.count < 2 else { return }
            let what = operands.isEmpty ? "JOB" : "COMMAND"
            throw .missingOperand(what: what, command: command.name, example: example)
        }
    }
}
