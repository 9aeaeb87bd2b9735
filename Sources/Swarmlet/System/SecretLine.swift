import Glibc

/// A secret of one line that is named and not typed, so that it is in no list of processes.
enum SecretLine {
    /// What to type where one is expected.
    static let spelling = "-|file:PATH|env:VARIABLE"

    /// Longer ones are something else.
    private static let limitBytes = 64 << 10

    /// The line on stdin (`-`), in a file (`file:PATH`) or in a variable (`env:VARIABLE`), which jobs and programs that are
    /// started later do not see any more. nil for any other word.
    static func read(_ word: String, what: String) throws(CommandError) -> String? {
        if word == "-" { return try line(try ReadFile.standardInput(limitBytes: limitBytes), what, of: "stdin") }
        if word.hasPrefix("file:") {
            let path = String(word.dropFirst(5))
            return try line(try ReadFile.whole(path, limitBytes: limitBytes), what, of: path)
        }
        guard word.hasPrefix("env:") else { return nil }
        let name = String(word.dropFirst(4))
        guard let value = Environment.value(name) else {
            throw .unreadableInput(what: "the variable \(name)", reason: "it is not set")
        }
        unsetenv(name)
        return try line(Array(value.utf8), what, of: name)
    }

    /// The same, or the secret itself where it was typed in full: it is wiped from the list of processes then.
    static func read(_ word: String, what: String, beginsWith prefix: String) throws(CommandError) -> String? {
        if let line = try read(word, what: what) { return line }
        guard word.hasPrefix(prefix) else { return nil }
        wipeArguments(word)
        return word
    }

    private static func wipeArguments(_ secret: String) {
        let length = secret.utf8.count
        for index in 1..<Int(CommandLine.argc) {
            guard let argument = CommandLine.unsafeArgv[index], strlen(argument) == length,
                String(cString: argument) == secret
            else { continue }
            memset(argument, 0x2A, length)
        }
    }

    private static func line(_ bytes: [UInt8], _ what: String, of place: String) throws(CommandError) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        let line = text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()
        guard !line.isEmpty else {
            throw .unreadableInput(what: "\(what) from \(place)", reason: "there is nothing in it")
        }
        return String(line)
    }
}
