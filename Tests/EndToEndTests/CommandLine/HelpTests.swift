import Foundation
import Testing

@Suite("docs/cli.md freezes what is typed and seen")
struct HelpTests {
    /// The page, read from the root of the repository.
    static func page() throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent("docs/cli.md"), encoding: .utf8)
    }

    /// The first fenced block after a heading.
    static func block(after heading: String) throws -> String {
        let lines = try page().components(separatedBy: "\n")
        let start = try #require(lines.firstIndex(of: heading), "docs/cli.md has no heading '\(heading)'")
        let open = try #require(lines[start...].firstIndex { $0.hasPrefix("```") })
        let close = try #require(lines[(open + 1)...].firstIndex { $0.hasPrefix("```") })
        return lines[(open + 1)..<close].joined(separator: "\n") + "\n"
    }

    /// The commands that `swarmlet help` lists.
    static func commands() throws -> [String] { try listed(by: ["help"]) }

    /// Those and the commands under them: `config ls`.
    static func allCommands() throws -> [String] {
        try commands().flatMap { [$0] + (try listed(by: [$0, "--help"])) }
    }

    private static func listed(by words: [String]) throws -> [String] {
        let help = try Binary.run(words).stdout.components(separatedBy: "\n")
        guard let heading = help.firstIndex(of: "Commands:") else { return [] }
        return help[(heading + 1)...].prefix { $0.hasPrefix("  ") }.compactMap {
            $0.dropFirst(2).components(separatedBy: "  ").first
        }
    }

    @Test("the list of commands is the one of the page")
    func overview() throws {
        let outcome = try Binary.run(["help"])
        #expect(outcome.stdout == (try Self.block(after: "## Commands")))
        #expect(outcome.exitCode == 0)
    }

    @Test("the help of every command is the one of the page, with usage, flags and an example")
    func pages() throws {
        for command in try Self.allCommands() {
            let words = command.components(separatedBy: " ")
            let outcome = try Binary.run(words + ["--help"])
            #expect(outcome.stdout == (try Self.block(after: "### swarmlet \(command)")), "\(command)")
            #expect(outcome.stdout.contains("\nExamples:\n  "), "\(command)")
            #expect(outcome.stderr == "")
            #expect(outcome.exitCode == 0)
            #expect(try Binary.run(["help"] + words).stdout == outcome.stdout)
        }
    }

    @Test("the commands of the first version are all there")
    func complete() throws {
        let expected = [
            "up", "join", "invite", "approve", "members", "run", "ps", "logs", "cancel", "wait", "inspect", "cp",
            "leave",
            "doctor", "version", "daemon",
        ]
        let commands = try Self.commands()
        for command in expected { #expect(commands.contains(command), "\(command)") }
    }

    @Test("no line of help is wider than a page")
    func width() throws {
        for command in try Self.allCommands() {
            let lines = try Binary.run(command.components(separatedBy: " ") + ["--help"]).stdout.split(separator: "\n")
            for line in lines { #expect(line.count <= 120, "\(command): \(line)") }
        }
    }

    @Test("completion names every command and flag", arguments: ["bash", "zsh", "fish"])
    func completion(_ shell: String) throws {
        let outcome = try Binary.run(["completion", shell])
        #expect(outcome.exitCode == 0)
        for command in try Self.commands() { #expect(outcome.stdout.contains(command), "\(command)") }
        #expect(outcome.stdout.contains("gpu-mem"))
    }

    @Test("the completion script of bash completes a command and a flag")
    func bashCompletes() throws {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = [
            "-c",
            """
            source <('\(Binary.path)' completion bash)
            COMP_WORDS=(swarmlet mem) COMP_CWORD=1 && _swarmlet && echo "${COMPREPLY[@]}"
            COMP_WORDS=(swarmlet run --gpu-) COMP_CWORD=2 && _swarmlet && echo "${COMPREPLY[@]}"
            COMP_WORDS=(swarmlet config uns) COMP_CWORD=2 && _swarmlet && echo "${COMPREPLY[@]}"
            """,
        ]
        process.standardOutput = output
        try process.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(text == "members\n--gpu-mem\nunset\n")
    }
}
