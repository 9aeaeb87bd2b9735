import Codec
import Node
import Tokens

/// `swarmlet rotate`: another key in the place of one that has been used for long, or that somebody else may have.
enum RotateCommand {
    static let declaration = Command(
        group: "rotate", summary: "Put another key in the place of one; jobs, names and members stay",
        details: [
            """
            For a key that has been in use for long, or that somebody else may have read. One entry of the log does it, for
            the whole mesh at once. Administrators only.
            """
        ],
        examples: [
            .init("sudo swarmlet rotate node", "this host gets another key"),
            .init("sudo swarmlet rotate issuer ci k4.public.Hrnbu7wEfAP9cGBOAHHwmH4Wsot1ciXBHwBBXQ4gsaI", "ci does"),
        ], subcommands: [node, issuer, mesh])

    private static let issuer = Command(
        "rotate issuer", summary: "Put another key in the place of one that issues tokens",
        operands: .words(placeholder: "NAME|OLD NEW", least: 2, most: 2),
        details: [
            """
            NAME or OLD is a key that was added with swarmlet token issuer add, NEW a public key that begins with
            k4.public. The new one has its name and its longest life of tokens. What the old one issued by now is good until it
            runs out, and nothing that it issues later. Where somebody else has the old key, end all that it issued:
            swarmlet token issuer revoke OLD.
            """
        ],
        examples: [
            .init(
                "sudo swarmlet rotate issuer ci k4.public.Hrnbu7wEfAP9cGBOAHHwmH4Wsot1ciXBHwBBXQ4gsaI",
                "the new key of ci")
        ], run: rotateIssuer)

    private static func rotateIssuer(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let key: PublicKey
        do { key = try PublicKey(text: invocation.operands[1]) } catch {
            throw .badOperand(
                value: invocation.operands[1], expectation: "a key that begins with k4.public.",
                example: "swarmlet rotate issuer ci k4.public.Hrnbu7wEfAP9cGBOAHHwmH4Wsot1ciXBHwBBXQ4gsaI")
        }
        var old = invocation.operands[0]
        // An old key is as good as its id.
        if old.hasPrefix("k4.public.") {
            do { old = try PublicKey(text: old).id.text } catch { throw .refused(APIFailure(error)) }
        }
        let request = APIRequest.rotate(.issuer(old, key: Bytes(key.bytes)))
        guard case .rotated(let view) = try LocalClient.call(request, try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than to a rotation")
        }
        try show(view, terminal)
        let known = view.tokens > 0 ? " The mesh knows of \(view.tokens)." : ""
        terminal.note(
            "what the old one issued is good until it runs out, at \(clock(view.believedUntil)) UTC at the latest.\(known) "
                + "To end it now: swarmlet token issuer revoke \(view.oldKey)")
        return ExitCode.success
    }

    private static let mesh = Command(
        "rotate mesh", summary: "Give the mesh another key; hosts, jobs and tokens stay",
        details: [
            """
            On a host that has the mesh key. The daemon makes a new one, and asks the mesh to take it, signed by the old key
            and by the new one; then the old one is deleted, here and on hosts that have a copy. Hosts renew their
            certificates at once. Members need nothing of it, and the mesh stays what it is.
            """,
            """
            Tokens and invitations of before go on for what is left of them: who uses one is shown both signatures, for 30
            days. Who has stolen the old key is nobody inside the mesh, but can pretend to be it to those who know only the
            old key: hand out new invitations. Copies that you keep are of the old key: swarmlet key export again.
            """,
        ],
        examples: [.init("sudo swarmlet rotate mesh", "somebody may have read a copy of the mesh key")], run: rotateMesh
    )

    private static func rotateMesh(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard case .rotated(let view) = try LocalClient.call(.rotate(.mesh), try DataDirectory.chosen(invocation))
        else {
            throw .badAnswer(reason: "another reply than to a rotation")
        }
        try show(view, terminal)
        terminal.note(
            "who knows the old one is led to it until \(Timestamp.rfc3339(Instant(nanoseconds: view.believedUntil))). "
                + "Keep a copy of the new one: swarmlet key export")
        return ExitCode.success
    }

    private static let node = Command(
        "rotate node", summary: "Give this host another key; its jobs run on",
        details: [
            """
            The daemon makes a new key, lets another member certify it, and asks the mesh to take it, signed by the old key
            and by the new one. Then it goes on as the same program with the new key, under the same process number; jobs
            notice nothing. The host keeps its name, its number and its seat; its id in swarmlet members is new.
            """,
            """
            What the mesh has made with the old key is believed for 10 minutes: tokens run out then, and are to be made
            again. Invitations that were made here end at once. The old key is never admitted again. It takes 10 minutes
            until the key can be rotated once more.
            """,
        ],
        examples: [
            .init("sudo swarmlet rotate node", "somebody may have copied /var/lib/swarmlet/keys of this host"),
            .init("sudo swarmlet rotate node --json", "for other tools"),
        ], run: rotateNode)

    /// Beyond what a daemon may take to start: it ends, and catches up.
    private static let slack = Interval.seconds(30)
    private static let pause = Interval.milliseconds(100)

    private static func rotateNode(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        guard case .rotated(let view) = try LocalClient.call(.rotate(.node), directory) else {
            throw .badAnswer(reason: "another reply than to a rotation")
        }
        terminal.progress("\(view.name) goes on with its new key")
        defer { terminal.clearProgress() }
        try waitForDaemon(view, directory)
        terminal.clearProgress()
        try show(view, terminal)
        let tokens = view.tokens == 1 ? "1 token" : "\(view.tokens) tokens"
        if view.tokens > 0 {
            terminal.note(
                "\(tokens) made here with the old key run out at \(clock(view.believedUntil)) UTC: make them again")
        }
        return ExitCode.success
    }

    /// Until the daemon answers with its new key.
    private static func waitForDaemon(
        _ view: RotatedView, _ directory: DataDirectory
    ) throws(CommandError) {
        let deadline = Clock.sinceBoot() + directory.startPatience + slack
        var missing = "it does not answer"
        while Clock.sinceBoot() < deadline {
            do throws(CommandError) {
                if case .status(let status) = try LocalClient.call(.status, directory) {
                    if view.newKey.hasPrefix("k4.pid." + status.shortID), status.leader != nil { return }
                    missing = "its daemon still has the old key, or sees no leader"
                }
            } catch {
                switch error {
                case .connectionLost, .daemonUnreachable: missing = error.message
                default: throw error
                }
            }
            _ = LocalClient.wait(for: nil, signals: nil, until: Clock.sinceBoot() + pause)
        }
        throw .refused(
            APIFailure(
                code: "rotate.not_back", message: "the mesh knows the new key of \(view.name), but \(missing)",
                hint: "its daemon takes the new key at its next start; see why: tail \(directory.daemonLog)",
                exitCode: ExitCode.swarmlet))
    }

    private static func show(_ view: RotatedView, _ terminal: Terminal) throws(CommandError) {
        guard terminal.format == .text else {
            return try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("name", .string(view.name)), ("old_key_id", .string(view.oldKey)),
                    ("key_id", .string(view.newKey)), ("believed_until", .time(view.believedUntil)),
                    ("tokens", .count(view.tokens)),
                ]))
        }
        terminal.note("\(view.name) has another key: \(short(view.newKey)), before \(short(view.oldKey))")
    }

    private static func short(_ key: String) -> String {
        do { return try KeyID(text: key).short } catch { return key }
    }

    private static func clock(_ time: Int64) -> String {
        String(Timestamp.rfc3339(Instant(nanoseconds: time)).dropFirst(11).prefix(5))
    }
}
