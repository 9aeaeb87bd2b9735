import Codec
import Foundation
import Testing

@testable import Mesh

@Suite("Ignore rules")
struct IgnoreRulesTests {
    static func verdict(_ rules: String, _ path: String) -> IgnoreRules.Verdict? {
        let isDirectory = path.hasSuffix("/")
        let names = path.split(separator: "/").map { Array($0.utf8) }
        return IgnoreRules(text: Array(rules.utf8)).verdict(names: names[...], isDirectory: isDirectory)
    }

    @Test(
        "a pattern fits what gitignore(5) says it fits",
        arguments: [
            ("*.log", ["x.log", "a/b/x.log", ".log"], ["x.logs", "log"]),
            ("/x", ["x"], ["a/x"]),
            ("a/x", ["a/x"], ["b/a/x", "x"]),
            ("build/", ["build/", "a/build/"], ["build", "a/build"]),
            ("**/x", ["x", "a/x", "a/b/x"], ["xx", "x/y"]),
            ("a/**", ["a/b", "a/b/c"], ["a/", "b/a/c"]),
            ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "b", "a/b/c"]),
            ("a*c", ["abc", "ac", "axxc", "d/ac"], ["a/c", "abcd"]),
            ("a?c", ["abc"], ["ac", "a/c", "abbc"]),
            ("[a-c]x", ["ax", "cx"], ["dx", "x"]),
            ("[!a-c]x", ["dx"], ["ax"]),
            ("[]x]y", ["]y", "xy"], ["y"]),
            ("[[:digit:]]", ["5"], ["a"]),
            ("\\#x", ["#x"], ["x"]),
            ("\\!x", ["!x"], ["x"]),
            ("# comment", [], ["# comment", "comment"]),
            ("x ", ["x"], ["x "]),
            ("x\\ ", ["x "], ["x"]),
            ("x\r", ["x"], []),
            ("a\\*b", ["a*b"], ["axb"]),
            ("foo/*", ["foo/a"], ["foo/a/b", "foo"]),
            ("**", ["a", "a/b"], []),
            ("/", [], ["a"]),
            ("[x", [], ["[x", "x"]),
        ])
    func patterns(rule: String, fits: [String], fitsNot: [String]) {
        for path in fits { #expect(Self.verdict(rule, path) == .ignored, "\(rule) \(path)") }
        for path in fitsNot { #expect(Self.verdict(rule, path) == nil, "\(rule) \(path)") }
    }

    @Test("the last rule that fits decides, and ! takes back in")
    func negation() {
        #expect(Self.verdict("*.log\n!keep.log", "keep.log") == .included)
        #expect(Self.verdict("!keep.log\n*.log", "keep.log") == .ignored)
        #expect(Self.verdict("*\n!*/\n!*.py", "a.py") == .included)
        #expect(Self.verdict("*\n!*/\n!*.py", "d/") == .included)
        #expect(Self.verdict("*\n!*/\n!*.py", "a.txt") == .ignored)
    }

    @Test("a pattern full of stars costs bounded work")
    func stars() {
        let rule = String(repeating: "*a", count: 200) + "b/" + String(repeating: "**/x/", count: 50) + "y"
        let path = String(repeating: "a", count: 255) + "/" + String(repeating: "x/", count: 100) + "z"
        #expect(Self.verdict(rule, path) == nil)
    }

    static let git = ["/usr/bin/git", "/usr/local/bin/git"].first { FileManager.default.isExecutableFile(atPath: $0) }

    @Test(
        "random rules on random trees agree with git",
        .enabled(if: git != nil, "git is not installed"), arguments: [UInt64](1...12))
    func agreesWithGit(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let directory = try TemporaryDirectory()
        let names = ["a", "b", "ab", "a.log", "b.py", "c", "build"]
        for _ in 0..<60 {
            let depth = Int.random(in: 1...4, using: &random)
            let path = (0..<depth).map { _ in names.randomElement(using: &random)! }.joined(separator: "/")
            // A directory may already stand where this file would go, or a file where its directory would.
            _ = try? directory.write(path)
        }
        let parts = ["a", "b", "*", "**", "?", "*.log", "a*", "[ab]", "build", "c", "!a", "*b"]
        for place in ["", "a/", "b/", "a/b/"] where place.isEmpty || directory.exists(place) {
            var rules = ""
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                if Int.random(in: 0..<4, using: &random) == 0 { rules += "!" }
                if Int.random(in: 0..<4, using: &random) == 0 { rules += "/" }
                let count = Int.random(in: 1...3, using: &random)
                rules += (0..<count).map { _ in parts.randomElement(using: &random)! }.joined(separator: "/")
                if Int.random(in: 0..<3, using: &random) == 0 { rules += "/" }
                rules += "\n"
            }
            _ = try? directory.write(place + ".gitignore", text: rules)
        }
        _ = try run(directory.path, ["init", "-q"])
        let listed = try run(directory.path, ["ls-files", "-o", "-z", "--exclude-per-directory=.gitignore"])
        let expected = listed.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }.sorted()
        let found = try DirectoryScanner().scan(directory.path).manifest.entries
            .compactMap { entry in if case .file = entry.content { entry.path } else { nil } }.sorted()
        #expect(found == expected)
    }

    private func run(_ path: String, _ arguments: [String]) throws -> Data {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.git))
        process.arguments = ["-C", path] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return data
    }
}
