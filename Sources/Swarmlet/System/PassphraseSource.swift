import Glibc
import Node
import Tokens

/// Where a passphrase comes from: a file, a variable, stdin, the service manager, or a person at the terminal. It is in
/// memory of its own from the start, and wiped where it came from, as far as that is this process.
enum PassphraseSource {
    /// How a service manager calls it: systemd's `LoadCredential=`.
    static let credential = "swarmlet-passphrase"

    static let flag = Flag(
        "passphrase", .text(placeholder: SecretLine.spelling), "what locks the keys of this host, read from there")

    /// What `--passphrase` names; nil where it was not typed.
    static func named(_ invocation: Invocation, command: String) throws(CommandError) -> Passphrase? {
        guard let word = invocation.text("passphrase") else { return nil }
        try startLibrary()
        return try taken(word, command: command) { bytes, place throws(CommandError) in
            try passphrase(&bytes, place)
        }
    }

    /// The same, or else what a person types, twice where a slip would lock the keys for good.
    static func namedOrAsked(
        _ invocation: Invocation, command: String, _ terminal: Terminal, isNew: Bool = false
    ) throws(CommandError) -> Passphrase {
        if let named = try named(invocation, command: command) { return named }
        return try asked(terminal, isNew: isNew)
    }

    /// For a daemon that is started in the background; nil where nothing is locked, or nobody is there to ask.
    static func forStart(
        _ invocation: Invocation, _ directory: DataDirectory, command: String, _ terminal: Terminal
    ) throws(CommandError) -> Passphrase? {
        let standing: KeysAtRest.Standing
        do { standing = try KeysAtRest.standing(directory) } catch { throw .refused(APIFailure(error)) }
        if let named = try named(invocation, command: command) {
            if standing.locked == 0, standing.open > 0 {
                terminal.warn("the keys of this host are not locked; with its daemon stopped: swarmlet key lock")
            }
            return named
        }
        guard standing.locked > 0, credentialPath == nil, terminal.canAsk else { return nil }
        return try asked(terminal, isNew: false)
    }

    /// For the daemon itself: what `--passphrase` names, which may be what another daemon left it; else the credential.
    static func lock(_ invocation: Invocation) throws(CommandError) -> KeyLock {
        try startLibrary()
        let lock: KeyLock
        if let word = invocation.text("passphrase") {
            lock = try taken(word, command: "daemon") { bytes, place throws(CommandError) in
                if KeyLock.isHandover(bytes[...]) {
                    guard let handed = KeyLock(handover: bytes[...]) else {
                        throw .unreadableInput(what: "a passphrase from \(place)", reason: "it is cut off")
                    }
                    return handed
                }
                return KeyLock(try passphrase(&bytes, place))
            }
        } else if let path = credentialPath {
            let read = try taken("file:" + path, command: "daemon", isCredential: true) {
                bytes, place throws(CommandError) in try passphrase(&bytes, place)
            }
            lock = KeyLock(read)
        } else {
            lock = KeyLock()
        }
        // Nothing that this process starts has any use for it.
        unsetenv("CREDENTIALS_DIRECTORY")
        return lock
    }

    private static var credentialPath: String? {
        guard let directory = Environment.value("CREDENTIALS_DIRECTORY"), !directory.isEmpty else { return nil }
        let path = "\(directory)/\(credential)"
        return access(path, F_OK) == 0 ? path : nil
    }

    // MARK: The terminal

    private static func asked(_ terminal: Terminal, isNew: Bool) throws(CommandError) -> Passphrase {
        let hint = "say where it is: --passphrase file:PATH"
        try startLibrary()
        var first = try terminal.secret(
            isNew ? "new passphrase for the keys of this host" : "passphrase of this host's keys", hint: hint)
        defer { explicit_bzero(&first, first.count) }
        if isNew {
            var second = try terminal.secret("once more", hint: hint)
            defer { explicit_bzero(&second, second.count) }
            guard first == second else {
                throw .conflict(message: "the two passphrases differ", hint: "type it again; nothing was changed")
            }
        }
        return try passphrase(&first, "the terminal")
    }

    // MARK: Bytes

    private static func startLibrary() throws(CommandError) {
        do { try Sodium.start() } catch { throw .refused(APIFailure(error)) }
    }

    /// Lends what is there, of which nothing is left behind.
    private static func taken<Result>(
        _ word: String, command: String, isCredential: Bool = false,
        _ body: (inout [UInt8], _ place: String) throws(CommandError) -> Result
    ) throws(CommandError) -> Result {
        var bytes: [UInt8]
        let place: String
        if word == "-" {
            place = "stdin"
            bytes = try read(0, place)
            emptyStandardInput()
        } else if word.hasPrefix("file:") {
            place = String(word.dropFirst(5))
            bytes = try readFile(place, isCredential: isCredential)
        } else if word.hasPrefix("env:") {
            place = String(word.dropFirst(4))
            bytes = try readVariable(place)
        } else {
            throw .badValue(
                flag: "--passphrase", value: word, expectation: SecretLine.spelling, command: command)
        }
        defer { explicit_bzero(&bytes, bytes.count) }
        return try body(&bytes, place)
    }

    /// Without what is empty around it: a file ends with a line feed, which is no part of it.
    private static func passphrase(_ bytes: inout [UInt8], _ place: String) throws(CommandError) -> Passphrase {
        func isEmpty(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        let what = "a passphrase from \(place)"
        guard let start = bytes.firstIndex(where: { !isEmpty($0) }),
            let end = bytes.lastIndex(where: { !isEmpty($0) })
        else { throw .unreadableInput(what: what, reason: "there is nothing in it") }
        guard !bytes[start...end].contains(0) else {
            throw .unreadableInput(what: what, reason: "it holds a zero byte")
        }
        guard end - start < Passphrase.byteCountMax else {
            throw .unreadableInput(what: what, reason: "it is longer than \(Passphrase.byteCountMax) bytes")
        }
        var line = Array(bytes[start...end])
        return Passphrase(wiping: &line)
    }

    private static func readFile(_ path: String, isCredential: Bool) throws(CommandError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .unreadableInput(what: path, reason: SystemError.text(errno)) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .unreadableInput(what: path, reason: SystemError.text(errno)) }
        let kind = status.st_mode & S_IFMT
        // The service manager keeps it as root's and lets the service read it by a list, which shows in the group's bits.
        let isOwn = status.st_uid == geteuid() || (isCredential && status.st_uid == 0)
        guard isOwn, kind == S_IFREG || kind == S_IFIFO else {
            throw .refused(
                APIFailure(
                    code: "passphrase.foreign",
                    message: "the passphrase \(path) is not a plain file of the user who runs swarmlet",
                    hint: "make it a plain file of that user: chown \"$USER\" \(path)"))
        }
        guard status.st_mode & (isCredential ? 0o027 : 0o077) == 0 else {
            throw .refused(
                APIFailure(
                    code: "passphrase.readable", message: "other users may read the passphrase \(path)",
                    hint: "chmod 600 \(path), and take another one if someone else may have read it"))
        }
        return try read(file, path)
    }

    /// It is overwritten where the kernel shows the environment of this process, and nothing that is started sees it.
    private static func readVariable(_ name: String) throws(CommandError) -> [UInt8] {
        guard let value = getenv(name) else {
            throw .unreadableInput(what: "the variable \(name)", reason: "it is not set")
        }
        let length = strlen(value)
        let bytes = value.withMemoryRebound(to: UInt8.self, capacity: length) {
            Array(UnsafeBufferPointer(start: $0, count: length))
        }
        explicit_bzero(value, length)
        unsetenv(name)
        return bytes
    }

    private static func read(_ descriptor: Int32, _ what: String) throws(CommandError) -> [UInt8] {
        // Of the full size at once, so that it never grows out of a place that is not wiped.
        var bytes = [UInt8](repeating: 0, count: 4 * Passphrase.byteCountMax)
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
            }
            if more == 0 { break }
            if more < 0 {
                if errno == EINTR { continue }
                let reason = SystemError.text(errno)
                explicit_bzero(&bytes, bytes.count)
                throw .unreadableInput(what: what, reason: reason)
            }
            count += more
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// What was there has been read to its end; nothing that is started inherits it.
    private static func emptyStandardInput() {
        let nothing = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard nothing >= 0 else { return }
        dup2(nothing, 0)
        close(nothing)
    }
}
