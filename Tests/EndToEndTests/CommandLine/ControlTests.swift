import Codec
import Foundation
import Node
import Testing

@Suite("What a job writes does not steer the terminal of who reads it")
struct ControlTests {
    /// What `logs FLAGS 2` shows of a log that comes in these pieces.
    private func shown(_ pieces: [[UInt8]], flags: [String] = [], onTerminal: Bool = true) throws -> String {
        let daemon = try ScriptedDaemon { request, call in
            guard case .logs = request else { return try call.finish(.done) }
            for bytes in pieces {
                let next = OutputCursor(attempt: 1, place: nil)
                try call.send(.log(LogChunk(stream: 1, time: 0, bytes: Bytes(bytes), next: next)))
            }
            try call.finish(.done)
        }
        let words = ["logs"] + flags + ["2"]
        let environment = ["SWARMLET_DATA_DIR": daemon.directory]
        return onTerminal
            ? try Binary.runOnTerminal(words, environment: environment).stdout : try daemon.run(words).stdout
    }

    private func shown(_ text: String, flags: [String] = [], onTerminal: Bool = true) throws -> String {
        try shown([Array(text.utf8)], flags: flags, onTerminal: onTerminal)
    }

    @Test(
        "lines, tabs, colours, accents and the end of a line being cleared are passed on",
        arguments: ["a\tb\n", "\u{1B}[1;38;5;196mred\u{1B}[0m\n", "50 %\u{1B}[K done\n", "é 漢 🐇\n", "\u{8}back\n"])
    func passed(_ text: String) throws { #expect(try shown(text) == text) }

    @Test(
        "everything else is written out",
        arguments: [
            ("\u{1B}]0;owned\u{7}\n", "\\x1b]0;owned\\x07\n"),
            ("\u{1B}[2Aover\u{1B}[2J\n", "\\x1b[2Aover\\x1b[2J\n"), ("\u{1B}[6n\n", "\\x1b[6n\n"),
            ("\u{1B}[?1049h\n", "\\x1b[?1049h\n"), ("\u{1B}c\u{1B}P\n", "\\x1bc\\x1bP\n"),
            ("\u{1B}[1\u{1B}[31mred\u{1B}[m\n", "\\x1b[1\u{1B}[31mred\u{1B}[m\n"),
            ("\u{202E}txt.exe\u{9B}2J\n", "\\u{202e}txt.exe\\x9b2J\n"), ("a\0b\u{7F}\n", "a\\x00b\\x7f\n"),
            ("end\u{1B}", "end\\x1b"), ("end\u{1B}[3", "end\\x1b[3"),
            (
                "\u{1B}[" + String(repeating: "1;", count: 50) + "m\n",
                "\\x1b[" + String(repeating: "1;", count: 50) + "m\n"
            ),
        ])
    func writtenOut(_ text: String, _ expected: String) throws { #expect(try shown(text) == expected) }

    @Test("what is no text is written out byte by byte")
    func noText() throws {
        #expect(try shown([[0x9B, 0x32, 0x4A, 10]]) == "\\x9b2J\n")
        #expect(try shown([[0xFF, 0xC3, 0x28, 10], [0xE2, 0x82]]) == "\\xff\\xc3(\n\\xe2\\x82")
        // A surrogate, and more bytes than a character needs.
        #expect(try shown([[0xED, 0xA0, 0x80, 0xC0, 0x9B, 10]]) == "\\xed\\xa0\\x80\\xc0\\x9b\n")
    }

    @Test("wherever it is cut, it is shown the same")
    func cut() throws {
        let text = Array("é\u{1B}[31m漢\u{1B}[0m\u{1B}]0;x\u{7}\u{202E}🐇\u{1B}[1A.\n".utf8)
        let whole = try shown([text])
        #expect(whole == "é\u{1B}[31m漢\u{1B}[0m\\x1b]0;x\\x07\\u{202e}🐇\\x1b[1A.\n")
        #expect(try shown(text.map { [$0] }) == whole)
        for place in 1..<text.count { #expect(try shown([Array(text[..<place]), Array(text[place...])]) == whole) }
    }

    @Test("colours that a job leaves behind are taken back")
    func colours() throws {
        #expect(try shown("\u{1B}[31mred\n") == "\u{1B}[31mred\n\u{1B}[0m")
        #expect(try shown("\u{1B}[31mred\u{1B}[m\n") == "\u{1B}[31mred\u{1B}[m\n")
    }

    @Test("with --raw on a terminal, and in a pipe, it is what the job wrote")
    func raw() throws {
        let text = "\u{1B}]0;owned\u{7}\u{1B}[2A\u{202E}\n"
        #expect(try shown(text, flags: ["--raw"]) == text)
        #expect(try shown(text, onTerminal: false) == text)
    }

    @Test("the same holds for a job that is followed, for both of its streams")
    func followed() throws {
        let daemon = try RunTests.daemon { _, call in
            try call.send(RunTests.chunk("out\u{1B}[2J\n"))
            try call.send(RunTests.chunk("err\u{1B}[2J\n", 2))
            try call.finish(.follow(.ended(RunTests.end(.succeeded, 0))))
        }
        let environment = ["SWARMLET_DATA_DIR": daemon.directory]
        let safe = try Binary.runOnTerminal(["run", "--no-send", "x"], environment: environment).stdout
        #expect(safe.contains("out\\x1b[2J\n") && safe.contains("err\\x1b[2J\n"))
        let raw = try Binary.runOnTerminal(["run", "--raw", "--no-send", "x"], environment: environment).stdout
        #expect(raw.contains("out\u{1B}[2J\n") && raw.contains("err\u{1B}[2J\n"))
    }
}
