import Codec
import Node
import Scheduler
import Tokens

/// `swarmlet audit`: the signed log of what happened.
enum AuditCommand {
    static let declaration = Command(
        group: "audit", summary: "The signed log of what happened: read it, check it, prove what is in it",
        details: [
            """
            Who was admitted, removed or revoked, which tokens were made, used and withdrawn, who submitted and cancelled
            which job, what was changed in settings and hosts, and how much was refused. Every member keeps all of it; the
            leader signs its tree and the other voters cosign.
            """
        ],
        examples: [
            .init("swarmlet audit ls --tail 20", "what happened last"),
            .init("swarmlet audit verify", "is this host's copy what was signed?"),
            .init("swarmlet audit proof 17 > job17.tlog-proof", "that job 17 is in the log, for somebody outside"),
        ],
        subcommands: [list, verify, proof])

    private static let list = Command(
        "audit ls", summary: "Show what happened, oldest first",
        flags: [
            Flag("since", .text(placeholder: "TIME"), "only what came since then: 10m ago, or 2026-11-21T14:02:07Z"),
            Flag("tail", .count(placeholder: "N", 0...UInt64.max), "only the newest N"),
            Flag(
                "token", .text(placeholder: "NAME"), "only what is about the token of this id, or whose name begins so"),
        ],
        details: [
            """
            From this host's copy. With --json an object with the array events; each is as it is in the tree. Values of
            settings under user. are not in the log.
            """
        ],
        examples: [
            .init("swarmlet audit ls --since 24h", "the last day"),
            .init("swarmlet audit ls --token 9f3c", "who did what with that token"),
        ], run: list)

    private static let verify = Command(
        "audit verify", summary: "Check this host's copy against what was signed",
        flags: [
            Flag("file", .text(placeholder: "CHECKPOINT"), "and against a checkpoint kept from before; - reads stdin")
        ],
        details: [
            """
            Reads every event of the copy, compares its tree with the newest checkpoint, with the others that are here and
            with what the mesh has agreed on, and names the first event that is bad. With --json the checkpoint is in the
            answer: keep it elsewhere, and give it to --file later. Exits with 1 if anything is wrong.
            """
        ],
        examples: [
            .init("swarmlet audit verify --json | jq -r .checkpoint > lab.checkpoint", "a checkpoint to keep"),
            .init("swarmlet audit verify --file lab.checkpoint", "does today's log still begin with it?"),
        ], run: verify)

    private static let proof = Command(
        "audit proof", summary: "Prove that an event is in the log",
        operands: .words(
            placeholder: "JOB|seq:N", least: 1, most: 1),
        details: [
            """
            Of a job it is the event that started it. Prints a proof that needs nothing else to be checked but the public
            keys of the members (C2SP tlog-proof: the event as its extra line, its index, the hashes up to the root, and
            the signed checkpoint).
            """
        ],
        examples: [
            .init("swarmlet audit proof 17", "that job 17 was submitted, by whom and when"),
            .init("swarmlet audit proof seq:214 --json", "event 214, for other tools"),
        ], run: proof)

    static let columns = ["SEQ", "TIME", "WHO", "ACT", "NODE", "JOB", "ABOUT"]

    // MARK: ls

    private static func list(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let client = try LocalClient(try DataDirectory.chosen(invocation))
        try client.send(
            .audit(
                .list(
                    since: try LogsCommand.since(invocation), tail: invocation.count("tail"),
                    token: invocation.text("token"))))
        // Columns need all rows; a mesh that is years old has some hundred thousand.
        var table = Table(columns)
        var events: [JSON] = []
        while true {
            switch try client.reply() {
            case .audit(.lines(let lines)):
                for line in lines {
                    guard terminal.format == .text else {
                        events.append(document(line.array))
                        continue
                    }
                    if terminal.volume == .quiet {
                        try terminal.result((AuditEvent(line: line.array).map { "\($0.sequence)" } ?? "-") + "\n")
                    } else {
                        table.add(cells(line.array))
                    }
                }
            case .done:
                if terminal.format == .json {
                    try terminal.result(.object([("schema_version", .integer(1)), ("events", .array(events))]))
                } else if terminal.volume != .quiet {
                    try terminal.result(table.text(width: terminal.tableWidth))
                }
                return ExitCode.success
            default: throw .badAnswer(reason: "another reply than events")
            }
        }
    }

    /// A copy that was altered may hold anything: that is shown as text.
    private static func document(_ line: [UInt8]) -> JSON {
        do { return try JSON.parse(line) } catch {
            return .object([("unreadable", .string(shown(String(decoding: line, as: UTF8.self))))])
        }
    }

    private static func cells(_ line: [UInt8]) -> [String?] {
        guard let event = AuditEvent(line: line) else {
            return ["?", nil, nil, "unreadable", nil, nil, shown(String(decoding: line, as: UTF8.self))]
        }
        return [
            "\(event.sequence)", Timestamp.rfc3339(Instant(nanoseconds: event.time)), event.actor.map(who),
            event.act.rawValue, event.node.map(shown), event.job.map { "\($0)" }, about(event),
        ]
    }

    /// A key is shown as short as everywhere.
    private static func who(_ actor: String) -> String {
        actor.hasPrefix("k4.pid.") ? "key " + shown(String(actor.dropFirst(7).prefix(8))) : shown(actor)
    }

    private static func about(_ event: AuditEvent) -> String? {
        var parts: [String] = []
        if !event.tokens.isEmpty {
            parts.append(
                (event.act == .invitationMade || event.act == .memberAdmitted ? "invitation " : "token ")
                    + event.tokens.map { shown(AccessGrant.shortID($0)) }.joined(separator: " > "))
        }
        if let code = event.code { parts.append("\(shown(code))\(event.count.map { ": \($0) times" } ?? "")") }
        if let about = event.about { parts.append(shown(about)) }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    /// What others have called things, without what could make a terminal show something else.
    private static func shown(_ text: String) -> String {
        var plain = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0..<0x20, 0x7F...0x9F, 0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF:
                plain.append("?")
            default: plain.append(scalar)
            }
        }
        return String(plain)
    }

    // MARK: verify

    /// A checkpoint with the signatures of many members, far below this.
    private static let checkpointBytesMax = 16 << 10

    private static func verify(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        var checkpoint: String?
        if let path = invocation.text("file") {
            let bytes =
                path == "-"
                ? try ReadFile.standardInput(limitBytes: checkpointBytesMax)
                : try ReadFile.whole(path, limitBytes: checkpointBytesMax)
            checkpoint = String(decoding: bytes, as: UTF8.self)
        }
        let request = APIRequest.audit(.verify(checkpoint: checkpoint))
        guard case .audit(.verdict(let verdict)) = try LocalClient.call(request, try DataDirectory.chosen(invocation))
        else { throw .badAnswer(reason: "another reply than a verdict") }
        if terminal.format == .json {
            try terminal.result(json(verdict))
        } else {
            try terminal.result("audit log: " + sentence(verdict) + "\n")
            for (index, note) in verdict.evidence.enumerated() {
                try terminal.result("\(index.isMultiple(of: 2) ? "one note" : "the other"):\n\(note)")
            }
            if let hint = verdict.hint { terminal.warn(hint) }
            if let lines = verdict.ownLines {
                terminal.note(
                    "\(lines) line\(lines == 1 ? "" : "s") of whom this host turned away, as the mesh was told")
            }
            if verdict.flaw == nil, !verdict.missing.isEmpty {
                terminal.note("not signed yet by \(verdict.missing.joined(separator: ", "))")
            }
        }
        return verdict.flaw == nil ? ExitCode.success : ExitCode.checkFailed
    }

    private static func sentence(_ verdict: AuditVerdict) -> String {
        let events = "\(verdict.size) event\(verdict.size == 1 ? "" : "s")"
        if let flaw = verdict.flaw { return "\(shown(flaw)) [\(verdict.code ?? "audit.bad")]" }
        var text = "\(events), tree good, "
        text +=
            verdict.signers.isEmpty
            ? "not signed yet" : "signed by \(verdict.signers.map(shown).joined(separator: ", "))"
        if !verdict.signers.isEmpty, verdict.signedSize < verdict.size {
            text += " up to event \(verdict.signedSize - 1)"
        }
        if let since = verdict.since {
            text += "; nothing missing since \(Timestamp.clock(Instant(nanoseconds: since)))"
            let day = Timestamp.rfc3339(Instant(nanoseconds: since)).prefix(10)
            if day != Timestamp.rfc3339(Clock.wall()).prefix(10) { text += " on \(day)" }
        }
        return text
    }

    private static func json(_ verdict: AuditVerdict) -> JSON {
        .object([
            ("schema_version", .integer(1)), ("good", .bool(verdict.flaw == nil)), ("events", .count(verdict.size)),
            ("since", .time(verdict.since)), ("signed_events", .count(verdict.signedSize)),
            ("signers", .array(verdict.signers.map { .string($0) })),
            ("voters_missing", .array(verdict.missing.map { .string($0) })),
            ("checkpoint", .optional(verdict.checkpoint)), ("code", .optional(verdict.code)),
            ("flaw", .optional(verdict.flaw)), ("first_bad", verdict.firstBad.map { .count($0) } ?? .null),
            ("hint", .optional(verdict.hint)), ("evidence", .array(verdict.evidence.map { .string($0) })),
            ("own_lines", verdict.ownLines.map { .count($0) } ?? .null),
        ])
    }

    // MARK: proof

    private static func proof(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let word = invocation.operands[0]
        let isSequence = word.hasPrefix("seq:")
        guard let number = UInt64(isSequence ? String(word.dropFirst(4)) : word) else {
            throw .badOperand(
                value: word, expectation: "the number of a job, or seq: and that of an event",
                example: "swarmlet audit proof 17")
        }
        let request = APIRequest.audit(isSequence ? .proof(number) : .proofOfJob(number))
        guard case .audit(.proof(let proof)) = try LocalClient.call(request, try DataDirectory.chosen(invocation))
        else { throw .badAnswer(reason: "another reply than a proof") }
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("seq", .count(proof.sequence)),
                    ("event", document(proof.line.array)),
                    ("leaf", .string(String(decoding: proof.line.array, as: UTF8.self))),
                    ("hashes", .array(proof.hashes.map { .string(Base64.encode($0.bytes)) })),
                    ("checkpoint", .string(proof.checkpoint)),
                    ("keys", .array(proof.keys.map { .string($0) })), ("proof", .string(proof.text)),
                ]))
        } else {
            try terminal.result(proof.text)
            terminal.note("event \(proof.sequence): \(shown(String(decoding: proof.line.array, as: UTF8.self)))")
            for key in proof.keys { terminal.note("signed with \(key)") }
        }
        return ExitCode.success
    }
}
