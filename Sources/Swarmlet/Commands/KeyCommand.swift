import Codec
import Node

/// `swarmlet key`: copies of the key of a mesh.
enum KeyCommand {
    static let declaration = Command(
        group: "key", summary: "Keep a copy of the mesh key, or bring it to another host",
        details: [
            """
            The mesh key certifies the hosts of a mesh; it is made by swarmlet up and lies on that host only. Members need
            it for nothing that runs. But what shows guests and new hosts that somebody is a member ends after 30 days, and
            is renewed while a host with the key is up now and then. Without it a mesh takes in nobody any more.
            """
        ],
        examples: [
            .init("swarmlet key export > lab.key", "keep a copy off this host"),
            .init("swarmlet key import file:lab.key", "on another member, when the founding host is gone"),
        ], subcommands: [export, importKey])

    private static let passphrase = Flag(
        "passphrase", .text(placeholder: SecretLine.spelling), "the passphrase, read from there")

    private static let export = Command(
        "key export", summary: "Write the mesh key to stdout", flags: [passphrase],
        details: [
            """
            One line: without --passphrase the key itself, which whoever reads it can use; with it a PASERK k4.secret-pw
            (Argon2id), which others' tools open too. For the user of the daemon.
            """
        ],
        examples: [
            .init("swarmlet key export > lab.key", "on the host that founded the mesh"),
            .init("swarmlet key export --passphrase file:secret > lab.key", "to lie where others can read it"),
        ], run: export)

    private static let importKey = Command(
        "key import", summary: "Give this member the mesh key",
        operands: .words(placeholder: SecretLine.spelling, least: 1, most: 1), flags: [passphrase],
        details: [
            "The daemon uses it from its next start on: this host then certifies others as the founding one did."
        ],
        examples: [.init("swarmlet key import file:lab.key", "what swarmlet key export wrote")], run: importKey)

    private static func export(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        let passphrase = try passphrase(invocation)
        let line: String
        do { line = try MeshKeyCopy.export(from: directory, passphrase: passphrase) } catch {
            throw .refused(APIFailure(error))
        }
        guard terminal.format == .text else {
            try terminal.result(.object([("schema_version", .integer(1)), ("key", .string(line))]))
            return ExitCode.success
        }
        try terminal.result(line + "\n")
        if passphrase == nil {
            terminal.note("whoever reads this line has the mesh key: keep it as you keep passwords")
        }
        return ExitCode.success
    }

    private static func importKey(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let word = invocation.operands[0]
        guard let line = try SecretLine.read(word, what: "a key") else {
            throw .badOperand(
                value: word, expectation: "a place of a key: \(SecretLine.spelling)",
                example: "swarmlet key import file:lab.key")
        }
        let directory = try DataDirectory.chosen(invocation)
        let passphrase = try passphrase(invocation)
        guard passphrase != nil || !MeshKeyCopy.isLocked(line) else {
            throw .conflict(
                message: "this key is locked by a passphrase",
                hint: "say where it is: swarmlet key import \(word) --passphrase file:PATH")
        }
        let mesh: String?
        do { mesh = try MeshKeyCopy.take(line, passphrase: passphrase, into: directory) } catch {
            throw .refused(APIFailure(error))
        }
        if terminal.format == .json {
            try terminal.result(.object([("schema_version", .integer(1)), ("changed", .bool(mesh != nil))]))
        } else if let mesh {
            terminal.note("this host has the key of mesh \(mesh); its daemon uses it from its next start on")
        } else {
            terminal.note("this host has the key already; nothing was changed")
        }
        return ExitCode.success
    }

    private static func passphrase(_ invocation: Invocation) throws(CommandError) -> String? {
        guard let word = invocation.text("passphrase") else { return nil }
        guard let line = try SecretLine.read(word, what: "a passphrase") else {
            throw .badValue(
                flag: "--passphrase", value: word, expectation: SecretLine.spelling, command: "key")
        }
        return line
    }
}
