import Codec
import Node
import Scheduler
import Tokens

/// `swarmlet token create`, `ls`, `revoke` and `issuer`: what a member of the mesh does with tokens.
enum TokenMaking {
    static let create = Command(
        "token create", summary: "Print a token for somebody outside the mesh",
        flags: TokenFlags.bounds + [
            Flag(
                "address", .text(placeholder: "HOST:PORT"), occurrence: .repeated,
                "where its holder can ask, before the addresses of the mesh"),
            Flag("links", .count(placeholder: "N", 0...4), "how often it may be narrowed (default 4)"),
        ],
        details: [
            """
            It starts one job, --act run,logs,fetch,cancel, within an hour, unless something else is said; what is not
            said of GPUs, memory and the like is what the mesh sets for guests. Whoever has the line can use it.
            """
        ],
        examples: [
            .init(
                "swarmlet token create --gpus 1 --mem 32G --time 4h --ttl 2h > kim.token", "one job, to be started soon"
            ),
            .init("swarmlet token create --act logs --job 42 --ttl 8h > lee.token", "read one log"),
        ], run: create)

    static let list = Command(
        "token ls", summary: "List the tokens of the mesh and what they have started",
        examples: [
            .init("swarmlet token ls", "the table"),
            .init("swarmlet token ls --json | jq '.tokens[]'", "for other tools"),
        ], run: list)

    static let revoke = Command(
        "token revoke", summary: "Withdraw tokens: every node refuses them within 15 s",
        operands: .words(placeholder: "TOKEN", least: 0, most: 1),
        flags: [
            Flag("issuer", .text(placeholder: "KEY"), "all that this issuer has made; it makes no more"),
            Flag("holder", .text(placeholder: "KEY"), "all that the holder of this key may do"),
            Flag("before", .duration, "with --issuer: only what it made longer ago than this"),
            Flag("all", "all tokens that there are"),
            GuestDoor.flag,
        ],
        details: [
            """
            TOKEN is an id that ls shows, or the token itself (file:PATH, env:VARIABLE, -). What was narrowed from a token
            goes with it. Jobs that it has started go on: end them with swarmlet cancel. Its holder can withdraw it, too.
            """
        ],
        examples: [
            .init("swarmlet token revoke 9f3c", "one, by the id that create said"),
            .init("swarmlet token revoke --all", "the panic button"),
        ], run: revoke)

    static let issuer = Command(
        "token issuer", summary: "Say which keys outside the members may issue tokens",
        operands: .words(placeholder: "add KEY NAME|ls|revoke KEY", least: 1, most: 3),
        flags: [
            Flag("max-ttl", .duration, "with add: longest life of its tokens (default 24h)"),
            Flag("ttl", .duration, "with add: how long it may issue without being used, 1h to 400d (default 30d)"),
        ],
        details: [
            """
            KEY begins with k4.public. (or k4.pid., to revoke it) and NAME is what people will know it by. Members issue
            without being named here. What is revoked stays revoked, with all that it has issued.

            An issuer ends by itself when nobody uses it: each job that its tokens start gives it the time of --ttl again.
            Members and doctor warn a week before. To give it more time, add it again.
            """
        ],
        examples: [
            .init(
                "swarmlet token issuer add k4.public.Hrnbu7wEfAP9cGBOAHHwmH4Wsot1ciXBHwBBXQ4gsaI ci", "a build server"),
            .init("swarmlet token issuer ls", "who there is"),
        ],
        run: issuer)

    static let columns = ["ID", "BY", "ALLOWS", "JOBS", "USES", "START BY", "STATE"]

    private static func create(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        do throws(TokenError) { try Sodium.start() } catch { throw .refused(APIFailure(error)) }
        let holder = try TokenFlags.holder(invocation)
        // Made here: the mesh never sees it.
        let key = holder == nil ? SigningKey.generate() : nil
        guard let holder = holder ?? key?.publicKey else { return ExitCode.swarmlet }
        let seconds = invocation.interval("ttl").map { max(1, $0.nanoseconds / 1_000_000_000) } ?? 3600
        var draft = AccessDraft(
            holder: holder, acts: try TokenFlags.acts(invocation) ?? .init([.run, .logs, .fetch, .cancel]),
            lifetime: seconds)
        draft.scope = TokenFlags.scope(invocation)
        draft.limits = TokenFlags.limits(invocation)
        if let uses = invocation.count("uses") { draft.uses = Int64(clamping: uses) }
        if let links = invocation.count("links") { draft.delegations = Int64(clamping: links) }
        let request = APIRequest.token(.issue(draft, addresses: invocation.texts("address")))
        guard case .bytes(let line) = try LocalClient.call(request, directory) else {
            throw .badAnswer(reason: "another reply than a token")
        }
        let token: AccessToken
        do throws(TokenError) {
            let issued = try AccessToken(text: String(decoding: line.array, as: UTF8.self))
            token = try AccessToken(
                chain: issued.chain, issuerKey: issued.issuerKey, holderKey: key, meshKey: issued.meshKey,
                root: issued.root, meshName: issued.meshName, addresses: issued.addresses, members: issued.members)
        } catch {
            throw .refused(APIFailure(error))
        }
        try tell(token, terminal)
        return ExitCode.success
    }

    private static func tell(_ token: AccessToken, _ terminal: Terminal) throws(CommandError) {
        guard terminal.format == .text else {
            guard case .object(let members) = TokenText.json(token) else { return }
            return try terminal.result(.object(members + [("token", .string(token.text))]))
        }
        try terminal.result(token.text + "\n")
        terminal.note(TokenText.summary(token.grant, now: Clock.wall().nanoseconds / 1_000_000_000))
        let isPrivate = token.addresses.allSatisfy(TokenText.isPrivate)
        terminal.note(
            "addresses in it: \(token.addresses.joined(separator: ", "))"
                + (isPrivate ? ", all private: for a holder outside add --address HOST:PORT" : ""))
        let slip = token.grant.acts.contains(.run) && token.grant.uses == 1
        terminal.note(
            (slip ? "a job that fails still counts; --uses 3 lets the holder correct a slip. " : "")
                + "Withdraw it: swarmlet token revoke \(token.grant.shortID)")
    }

    private static func tokens(_ invocation: Invocation) throws(CommandError) -> TokensView {
        guard case .tokens(let view) = try LocalClient.call(.token(.list), try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than tokens")
        }
        return view
    }

    private static func list(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let view = try tokens(invocation)
        if terminal.format == .json {
            try terminal.result(
                .object([("schema_version", .integer(1)), ("tokens", .array(view.tokens.map { json($0, view) }))]))
        } else if terminal.volume == .quiet {
            try terminal.result(view.tokens.map { AccessGrant.shortID($0.name) + "\n" }.joined())
        } else {
            var table = Table(columns)
            for token in view.tokens {
                table.add([
                    AccessGrant.shortID(token.name), token.madeBy, token.allows,
                    token.starts.isEmpty ? nil : token.starts.suffix(3).map { "\($0.job)" }.joined(separator: ","),
                    token.uses == 0 ? "\(token.starts.count)" : "\(token.starts.count)/\(token.uses)",
                    Timestamp.rfc3339(Instant(nanoseconds: token.expires)), state(of: token, view),
                ])
            }
            try terminal.result(table.text(width: terminal.tableWidth))
        }
        return ExitCode.success
    }

    private static func state(of token: TokenRecord, _ view: TokensView) -> String {
        if view.isRevoked(token) { return "revoked" }
        if token.uses > 0, UInt64(token.starts.count) >= token.uses { return "used" }
        return token.expires < view.time ? "over" : "good"
    }

    private static func json(_ token: TokenRecord, _ view: TokensView) -> JSON {
        .object([
            ("id", .string(AccessGrant.shortID(token.name))), ("name", .string(token.name)),
            ("issuer", .string(token.issuer)), ("made_by", .string(token.madeBy)),
            ("allows", .optional(token.allows)), ("uses", .count(token.uses)),
            ("jobs", .array(token.starts.map { .count($0.job) })),
            ("issued", .time(token.issuedAt == 0 ? nil : token.issuedAt)), ("start_by", .time(token.expires)),
            ("state", .string(state(of: token, view))),
            ("revoked_by", .optional(view.revocation(of: token)?.by)),
            ("revoked_at", .time(view.revocation(of: token)?.at)),
        ])
    }

    private static func revoke(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        let ways = [
            invocation.has("all"), invocation.has("issuer"), invocation.has("holder"), !invocation.operands.isEmpty,
        ]
        guard ways.count(where: { $0 }) == 1, invocation.has("issuer") || !invocation.has("before") else {
            throw .conflict(
                message: "token revoke takes one of TOKEN, --issuer, --holder and --all",
                hint: "see what there is: swarmlet token ls")
        }
        if invocation.has("all") {
            _ = try LocalClient.call(.token(.revokeAll), directory)
            terminal.note("all tokens are revoked; every node refuses them within 15 s")
            return ExitCode.success
        }
        let (subject, what) = try subject(invocation)
        let now = Clock.wall().nanoseconds
        let before = invocation.interval("before").map { (now - $0.nanoseconds) / 1_000_000_000 }
        let revocation = TokenRevocation(subject, by: "", issuedBefore: before)
        _ = try LocalClient.call(.token(.revoke(revocation)), directory)
        terminal.note("\(what) is revoked; every node refuses it within 15 s")
        return ExitCode.success
    }

    private static func subject(
        _ invocation: Invocation
    ) throws(CommandError) -> (TokenRevocation.Subject, what: String) {
        if let text = invocation.text("issuer") {
            return (.issuer(try keyID(text, "--issuer", invocation)), "issuer \(text)")
        }
        if let text = invocation.text("holder") {
            return (.holder(try keyID(text, "--holder", invocation)), "holder \(text)")
        }
        let (name, what) = try named(invocation)
        return (.token(name), what)
    }

    /// The token that the first operand says.
    static func named(_ invocation: Invocation) throws(CommandError) -> (name: String, what: String) {
        let operand = invocation.operands.first ?? ""
        if operand == "-" || ["file:", "env:", "swa1"].contains(where: { operand.hasPrefix($0) }) {
            let grant = try TokenSource.read(operand).grant
            let name = grant.names[grant.names.count - 1]
            return (name, "token \(AccessGrant.shortID(name))")
        }
        let matches = try tokens(invocation).tokens.filter {
            AccessGrant.shortID($0.name) == operand || $0.name == operand
        }
        guard let match = matches.first else {
            throw .refused(
                APIFailure(
                    code: "token.not_found", message: "no token \(operand) was made here",
                    hint: "see all: swarmlet token ls; one made elsewhere: swarmlet token revoke file:PATH",
                    exitCode: ExitCode.notFound))
        }
        guard matches.count == 1 else {
            throw .conflict(
                message: "\(matches.count) tokens begin with \(operand)",
                hint: "give the whole name: swarmlet token ls --json")
        }
        return (match.name, "token \(operand)")
    }

    /// A key by its id, or by itself.
    private static func keyID(
        _ text: String, _ flag: String, _ invocation: Invocation
    ) throws(CommandError) -> String {
        do throws(TokenError) {
            return text.hasPrefix("k4.public.") ? try PublicKey(text: text).id.text : try KeyID(text: text).text
        } catch {
            throw .badValue(
                flag: flag, value: text, expectation: "a key that begins with k4.pid. or k4.public.",
                command: invocation.command.name)
        }
    }

    private static func issuer(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let words = invocation.operands
        switch (words[0], words.count) {
        case ("add", 3): return try addIssuer(invocation, terminal)
        case ("ls", 1): return try listIssuers(invocation, terminal)
        case ("revoke", 2):
            let id = try keyID(words[1], "KEY", invocation)
            let request = APIRequest.token(.revoke(TokenRevocation(.issuer(id), by: "")))
            _ = try LocalClient.call(request, try DataDirectory.chosen(invocation))
            terminal.note("issuer \(id) is revoked; every node refuses what it has issued within 15 s")
            return ExitCode.success
        default:
            throw .badOperand(
                value: words.joined(separator: " "), expectation: "add KEY NAME, ls, or revoke KEY",
                example: "swarmlet token issuer ls")
        }
    }

    private static func addIssuer(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let key: PublicKey
        do { key = try PublicKey(text: invocation.operands[1]) } catch {
            throw .badOperand(
                value: invocation.operands[1], expectation: "a key that begins with k4.public.",
                example: "swarmlet token issuer add k4.public.Hrnbu7wEfAP9cGBOAHHwmH4Wsot1ciXBHwBBXQ4gsaI ci")
        }
        let seconds = invocation.interval("max-ttl").map { UInt64(max(1, $0.nanoseconds / 1_000_000_000)) }
        let period = invocation.interval("ttl").map { UInt64(max(0, $0.nanoseconds / 1_000_000_000)) }
        if let period, !SchedulerLimits.issuerSeconds.contains(period) {
            throw .badValue(
                flag: "--ttl", value: invocation.text("ttl") ?? "\(period)s", expectation: "1h to 400d",
                command: invocation.command.name)
        }
        let record = IssuerRecord(
            id: key.id.text, key: Bytes(key.bytes), name: invocation.operands[2],
            lifetimeSeconds: seconds ?? UInt64(AccessConstants.lifetimeSeconds), by: "", ttlSeconds: period)
        _ = try LocalClient.call(.token(.addIssuer(record)), try DataDirectory.chosen(invocation))
        terminal.note("\(record.name) may issue tokens. To end it: swarmlet token issuer revoke \(record.id)")
        return ExitCode.success
    }

    private static func listIssuers(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let view = try tokens(invocation)
        func isRevoked(_ issuer: IssuerRecord) -> Bool {
            view.revocations.contains { $0.subject == .issuer(issuer.id) && $0.issuedBefore == nil }
        }
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)),
                    (
                        "issuers",
                        .array(
                            view.issuers.map { issuer in
                                .object([
                                    ("id", .string(issuer.id)), ("name", .string(issuer.name)),
                                    ("max_ttl_seconds", .count(issuer.lifetimeSeconds)),
                                    ("added_by", .string(issuer.by)), ("added_at", .time(issuer.at)),
                                    ("revoked", .bool(isRevoked(issuer))),
                                    ("ttl_seconds", issuer.ttlSeconds.map(JSON.count) ?? .null),
                                    ("ends", .time(issuer.expires)),
                                    ("replaced_at", .time(issuer.replaced?.at)),
                                    ("replaced_by", .optional(issuer.replaced?.by)),
                                ])
                            })
                    ),
                ]))
            return ExitCode.success
        }
        func standing(_ issuer: IssuerRecord) -> String {
            if isRevoked(issuer) { return "revoked" }
            if issuer.replaced != nil { return "replaced" }
            return issuer.expires.map { $0 < view.time } ?? false ? "ended" : "good"
        }
        var table = Table(["NAME", "MAX TTL", "ADDED", "BY", "STATE", "ENDS", "KEY"])
        for issuer in view.issuers {
            table.add([
                issuer.name, AccessLimit.wall.text(Int64(clamping: issuer.lifetimeSeconds)),
                Timestamp.rfc3339(Instant(nanoseconds: issuer.at)), issuer.by, standing(issuer),
                issuer.expires.map { Timestamp.rfc3339(Instant(nanoseconds: $0)) },
                issuer.id,
            ])
        }
        try terminal.result(table.text(width: terminal.tableWidth))
        return ExitCode.success
    }
}
