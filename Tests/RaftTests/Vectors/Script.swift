import Foundation

/// One case of a data-driven test: a command with arguments, lines of input, and what must come out.
///
///     committed cfg=(1,2,3) idx=(12,5,_)
///     more input
///     ----
///     expected output, up to an empty line
struct ScriptCase {
    var command: String
    /// `name=(a,b)` as values, `name=a` as one value.
    var arguments: [String: [String]] = [:]
    var input: [String] = []
    var expected: [String] = []
    /// Where it is, for messages.
    var place: String

    /// All cases of a file.
    static func read(_ file: URL) throws -> [ScriptCase] {
        let lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
        var cases: [ScriptCase] = []
        var position = 0
        while position < lines.count {
            let line = lines[position].trimmingCharacters(in: .whitespaces)
            position += 1
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            var found = ScriptCase(line, place: "\(file.lastPathComponent):\(position)")
            while position < lines.count, lines[position] != "----" {
                found.input.append(lines[position])
                position += 1
            }
            position += 1
            while position < lines.count, !lines[position].isEmpty {
                found.expected.append(lines[position])
                position += 1
            }
            cases.append(found)
        }
        return cases
    }

    private init(_ line: String, place: String) {
        self.place = place
        // Spaces inside of brackets mean nothing.
        var depth = 0
        let words = line.filter { character in
            depth += character == "(" ? 1 : character == ")" ? -1 : 0
            return depth == 0 || character != " "
        }.split(separator: " ")
        command = String(words[0])
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? parts[1] : ""
            let isList = value.hasPrefix("(")
            let list = isList ? value.dropFirst().dropLast() : value
            arguments[String(parts[0])] = list.split(separator: ",").map(String.init)
        }
    }
}
