import Codec
import Glibc
import Node
import Scheduler
import Tokens

/// The way into a mesh for somebody who is no member: what he types goes to the mesh of his token.
enum GuestDoor {
    /// Of the one command that this program runs; from the main thread alone.
    private nonisolated(unsafe) static var open: (directory: TemporaryDirectory, proxy: GuestProxy)?
    private nonisolated(unsafe) static var known: AccessToken?

    /// Of the commands that a token is for; all others are for the daemon of this host, whatever the environment says.
    static let flag = Flag(
        "token", .text(placeholder: "file:PATH"), "as a guest of a mesh (or SWARMLET_TOKEN_FILE, SWARMLET_TOKEN)")

    /// The token that this command goes by; nil for that of a member.
    static func token(_ invocation: Invocation) throws(CommandError) -> AccessToken? {
        guard invocation.command.flags.contains(where: { $0.name == flag.name }), !invocation.has("data-dir") else {
            return nil
        }
        // A variable is read once: it is unset then, so that no job gets it.
        if known == nil { known = try TokenSource.chosen(flag: invocation.text("token")) }
        return known
    }

    /// Where the door of the token's mesh is; nil for the command of a member.
    static func directory(_ invocation: Invocation) throws(CommandError) -> DataDirectory? {
        guard let token = try token(invocation) else { return nil }
        if let open { return DataDirectory(path: open.directory.path) }
        let temporary = try TemporaryDirectory(prefix: "/tmp/swarmlet-guest-")
        do {
            let directory = DataDirectory(path: temporary.path)
            let proxy = try GuestProxy.start(token, in: directory) { text in
                let line = Array("swarmlet: \(text)\n".utf8)
                _ = write(2, line, line.count)
            }
            open = (temporary, proxy)
            return directory
        } catch {
            temporary.remove()
            throw .refused(APIFailure(error))
        }
    }

    static var isOpen: Bool { open != nil }

    /// What the door needed is gone.
    static func close() {
        open?.directory.remove()
        open = nil
    }

    // MARK: Before a job is sent

    /// Refuses what the token does not allow, and asks whether its mesh may have the files: before anything is sent.
    static func admit(
        _ spec: JobSpec, _ tree: WorkingTree?, _ invocation: Invocation, _ terminal: Terminal
    ) throws(CommandError) {
        guard let token = try token(invocation) else { return }
        try check(spec, token)
        let fingerprint = MeshFingerprint(meshKey: token.root).text
        if let typed = invocation.text("mesh") {
            guard MeshFingerprint(text: typed)?.text == fingerprint else {
                throw .refused(
                    APIFailure(
                        code: "guest.other_mesh", message: "the token is for mesh \(fingerprint), not for \(typed)",
                        hint: "ask whoever gave it to you which mesh it is for. Nothing was sent"))
            }
            return remember(fingerprint)
        }
        if invocation.has("yes") || isKnown(fingerprint) { return remember(fingerprint) }
        let hint = "--mesh \(fingerprint) where you have it from elsewhere than the token, or --yes"
        guard terminal.canAsk else {
            throw .refused(
                APIFailure(
                    code: "guest.mesh_unknown",
                    message:
                        "first contact with mesh \(token.meshName) (\(fingerprint)), and nobody is there to say yes",
                    hint: hint))
        }
        let files = tree.map { "\($0.sizeText) from \(WorkingDirectory.short($0.path))" } ?? "the job"
        let question = "first contact with mesh \(token.meshName) (\(fingerprint)). Send it \(files)?"
        guard try terminal.confirm(question, hint: hint) else { throw .declined(what: "run") }
        remember(fingerprint)
    }

    /// Refuses what the token itself does not allow, without a network.
    static func check(_ spec: JobSpec, _ token: AccessToken) throws(CommandError) {
        let now = Clock.wall().nanoseconds / 1_000_000_000
        do throws(TokenError) { try GuestRequest.check(spec, by: token.grant, now: now) } catch {
            throw .refused(
                APIFailure(code: error.code, message: error.message, hint: error.hint, exitCode: ExitCode.swarmlet))
        }
    }

    /// Fingerprints of meshes that had something before, one a line.
    private static var memory: String? {
        if let state = Environment.value("XDG_STATE_HOME"), state.hasPrefix("/") { return state + "/swarmlet-meshes" }
        return Environment.value("HOME").map { $0 + "/.swarmlet-meshes" }
    }

    private static func isKnown(_ fingerprint: String) -> Bool {
        guard let memory else { return false }
        do throws(CommandError) {
            let lines = try ReadFile.whole(memory, limitBytes: 1 << 20).split(separator: 10)
            return lines.contains { $0.elementsEqual(fingerprint.utf8) }
        } catch {
            return false
        }
    }

    /// Forgetting it costs a question, no more.
    private static func remember(_ fingerprint: String) {
        guard let memory, !isKnown(fingerprint) else { return }
        let file = Glibc.open(memory, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        let line = Array((fingerprint + "\n").utf8)
        _ = write(file, line, line.count)
        Glibc.close(file)
    }
}
