import Codec
import Node
import Tokens

/// `swarmlet token`: access for people outside the mesh.
enum TokenCommand {
    static let declaration = Command(
        group: "token", summary: "Access for people outside the mesh: make, explain, narrow and withdraw it",
        details: [
            """
            A token is one line that begins with swa1. and holds its own key: whoever has it can do what it allows, and
            nothing more. It can be narrowed without a network, never widened.
            """
        ],
        examples: [
            .init("swarmlet token create --gpus 1 --ttl 2h > kim.token", "one job for somebody else"),
            .init("swarmlet token inspect file:kim.token", "what a token allows, to whom and until when"),
            .init("swarmlet token narrow file:kim.token --act logs > lee.token", "hand on less of it"),
        ],
        subcommands: [
            TokenMaking.create, TokenMaking.list, inspect, narrow, TokenMaking.revoke, TokenMaking.issuer,
            TokenWatching.declaration,
        ])

    private static let operand = Command.Operands.words(
        placeholder: "STRING|file:PATH|env:VARIABLE|-", least: 1, most: 1)

    private static let inspect = Command(
        "token inspect", summary: "Say in plain words what a token allows", operands: operand,
        details: [
            """
            Asks nobody: whether a token is used up or revoked is known to its mesh alone. Exit code 2 for what is no
            token, or was cut off or altered on its way.
            """
        ],
        examples: [
            .init("swarmlet token inspect file:kim.token", "a token in a file"),
            .init("swarmlet token inspect env:SWARMLET_TOKEN --json", "one in a variable, for other tools"),
        ], run: inspect)

    private static let narrow = Command(
        "token narrow", summary: "Print a token that allows less than another one", operands: operand,
        flags: TokenFlags.bounds,
        details: [
            """
            Needs no network and asks nobody. What is not said stays as it is; nothing can be widened. The new token has
            a key of its own and stands below the old one: what it starts is its own and that of the old one, and
            when the old one is revoked it is, too. Up to four times in a row.
            """
        ],
        examples: [
            .init(
                "swarmlet token narrow file:kim.token --act logs,fetch > lee.token", "for a colleague who only looks"),
            .init("swarmlet token narrow file:kim.token --gpus 0 --time 10m --ttl 30m > try.token", "for a small try"),
        ], run: narrow)

    private static func inspect(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let token = try TokenSource.read(invocation.operands[0])
        if terminal.format == .json {
            try terminal.result(TokenText.json(token))
        } else if terminal.volume == .quiet {
            try terminal.result(token.grant.shortID + "\n")
        } else {
            let lines = TokenText.lines(token, now: now).map { line in
                line.name + String(repeating: " ", count: max(1, 10 - line.name.utf8.count)) + line.text + "\n"
            }
            try terminal.result(lines.joined())
        }
        return ExitCode.success
    }

    private static func narrow(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let token = try TokenSource.read(invocation.operands[0])
        let now = self.now
        var narrowing = AccessNarrowing(issuedAt: now)
        narrowing.acts = try TokenFlags.acts(invocation)
        narrowing.limits = TokenFlags.limits(invocation)
        narrowing.scope = TokenFlags.scope(invocation)
        narrowing.uses = invocation.count("uses").map { Int64(clamping: $0) }
        narrowing.expires = TokenFlags.expires(invocation, now: now)
        let holder = try TokenFlags.holder(invocation)
        let narrower: AccessToken
        do { narrower = try token.narrowed(narrowing, to: holder) } catch { throw .refused(APIFailure(error)) }
        if terminal.format == .json {
            guard case .object(let members) = TokenText.json(narrower) else { return ExitCode.swarmlet }
            try terminal.result(.object(members + [("token", .string(narrower.text))]))
        } else {
            try terminal.result(narrower.text + "\n")
        }
        terminal.note(TokenText.summary(narrower.grant, now: now))
        return ExitCode.success
    }

    private static var now: Int64 { Clock.wall().nanoseconds / 1_000_000_000 }
}
