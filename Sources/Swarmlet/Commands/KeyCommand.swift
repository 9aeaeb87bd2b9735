import Codec
import Node
import Tokens

/// `swarmlet key`: copies of the key of a mesh, and a passphrase for all keys of a host.
enum KeyCommand {
    static let declaration = Command(
        group: "key", summary: "Keep a copy of the mesh key, or lock the keys of this host",
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
            .init("swarmlet key lock", "a passphrase for all keys that lie on this host"),
        ], subcommands: [export, importKey, lock, unlock])

    private static let passphrase = Flag(
        "passphrase", .text(placeholder: SecretLine.spelling), "the passphrase, read from there")

    private static let export = Command(
        "key export", summary: "Write the mesh key to stdout", flags: [passphrase],
        details: [
            """
            One line: without --passphrase the key itself, which whoever reads it can use; with it a PASERK k4.secret-pw
            (Argon2id), which others' tools open too. Where the keys of this host are locked, the line always is, by
            their passphrase. For the user of the daemon.
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
            """
            The daemon uses it from its next start on: this host then certifies others as the founding one did. Where
            the keys of this host are locked, --passphrase is theirs, and has to open the line too, if that is locked.
            """
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
        if MeshKeyCopy.isLocked(line) {
            if passphrase == nil { terminal.note("the passphrase of this line is that of this host's keys") }
        } else {
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

    private static func passphrase(_ invocation: Invocation) throws(CommandError) -> Passphrase? {
        try PassphraseSource.named(invocation, command: "key")
    }

    // MARK: A passphrase for the keys of this host

    private static let lock = Command(
        "key lock", summary: "Lock the keys of this host by a passphrase", flags: [PassphraseSource.flag],
        details: [
            """
            With the daemon stopped, whose user types it: jobs go on. Every key in the data directory becomes a PASERK
            k4.secret-pw (Argon2id), as those will be that the host makes later; no plain one is left. From then on the
            daemon starts only with the passphrase: swarmlet up --passphrase, a credential of the service, or in a
            terminal where up asks for it.
            """,
            """
            Nobody opens the keys without it. Who loses it joins again as a new host: swarmlet leave while the daemon
            still runs, else swarmlet node remove on another member; then with another data directory. The mesh key is
            lost with it where no copy is elsewhere (swarmlet key export).
            """,
        ],
        examples: [
            .init("swarmlet key lock", "asks for the passphrase twice"),
            .init("swarmlet key lock --passphrase file:/run/user/1000/secret", "from a file of mode 0600"),
        ]
    ) { invocation, terminal throws(CommandError) in
        let passphrase = try PassphraseSource.namedOrAsked(
            invocation, command: "key lock", terminal, isNew: true)
        return try turn(
            invocation, terminal, passphrase, KeysAtRest.lock,
            done: "the keys of this host are locked; start it with: swarmlet up --passphrase file:PATH",
            before: "the keys of this host are locked already; nothing was changed",
            warning: "without the passphrase nobody opens them: keep it, and a copy of the mesh key, elsewhere")
    }

    private static let unlock = Command(
        "key unlock", summary: "Take the passphrase off the keys of this host", flags: [PassphraseSource.flag],
        details: ["With the daemon stopped, whose user types it. To change a passphrase, unlock, then lock again."],
        examples: [.init("swarmlet key unlock", "asks for the passphrase")]
    ) { invocation, terminal throws(CommandError) in
        let passphrase = try PassphraseSource.namedOrAsked(invocation, command: "key unlock", terminal)
        return try turn(
            invocation, terminal, passphrase, KeysAtRest.unlock,
            done: "the keys of this host are not locked any more",
            before: "the keys of this host are not locked; nothing was changed")
    }

    private static func turn(
        _ invocation: Invocation, _ terminal: Terminal, _ passphrase: Passphrase,
        _ change: (DataDirectory, Passphrase) throws -> Bool, done: String, before: String, warning: String? = nil
    ) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        let isChanged: Bool
        do { isChanged = try change(directory, passphrase) } catch { throw .refused(APIFailure(error)) }
        if isChanged, let warning { terminal.warn(warning) }
        if terminal.format == .json {
            try terminal.result(.object([("schema_version", .integer(1)), ("changed", .bool(isChanged))]))
        } else {
            terminal.note(isChanged ? done : before)
        }
        return ExitCode.success
    }
}
