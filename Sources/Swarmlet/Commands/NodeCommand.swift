import Codec
import Node
import Scheduler

/// `swarmlet node`: what an operator does with one host of the mesh.
enum NodeCommand {
    static let declaration = Command(
        group: "node", summary: "See how hosts are, drain them, remove dead ones, put stolen ones out",
        examples: [
            .init("swarmlet node drain lynx --deadline 10m", "before lynx is rebooted"),
            .init("swarmlet node uncordon lynx", "after it"),
        ],
        subcommands: [
            NodeHealth.list, NodeHealth.inspect, NodeHealth.health, drain, cordon, uncordon, labels, remove, revoke,
        ])

    private static let drain = Command(
        "node drain", summary: "Place nothing new on a host and let what runs there end or move",
        operands: .words(placeholder: "NODE", least: 1, most: 1),
        flags: [
            Flag("deadline", .duration, "how long jobs that cannot move may go on (default 1h)"),
            Flag("no-deadline", "as long as they take"),
            Flag("force", "everything moves now"),
            Flag("reason", short: "m", .text(placeholder: "TEXT"), "why, for those who look"),
            Flag("detach", short: "d", "do not wait until nothing runs there any more"),
        ],
        details: [
            """
            Jobs with checkpoints move as soon as another host has room: SIGTERM, their grace time, and what they
            saved last travels. Others come to their end, or start again elsewhere at the deadline. What must never be
            repeated (--retry never) always comes to its end. A voter gives up its seat, and a leader the leadership, as
            far as another host can take them. The order outlives restarts, until swarmlet node uncordon takes it back;
            Ctrl-C ends the waiting and not the order.
            """
        ],
        examples: [
            .init("swarmlet node drain lynx --deadline 10m -m 'new driver'", "empty lynx within 10 minutes"),
            .init("swarmlet node drain lynx --force", "at once"),
        ], run: drain)

    private static let cordon = Command(
        "node cordon", summary: "Place nothing new on a host; what runs there stays",
        operands: .words(placeholder: "NODE", least: 1, most: 1),
        flags: [Flag("reason", short: "m", .text(placeholder: "TEXT"), "why, for those who look")],
        examples: [.init("swarmlet node cordon lynx", "look at lynx in peace")], run: cordon)

    private static let uncordon = Command(
        "node uncordon", summary: "Let a drained or cordoned host take work again",
        operands: .words(placeholder: "NODE", least: 1, most: 1),
        examples: [.init("swarmlet node uncordon lynx", "lynx is back")], run: uncordon)

    private static let labels = Command(
        "node labels", summary: "Show the labels of a host, and change them",
        operands: .words(placeholder: "NODE [NAME=VALUE|NAME-]", least: 1, most: 64),
        details: [
            """
            NAME=VALUE gives a label, NAME- takes it away. Seats among the voters are spread over the labels owner and
            rack. What was typed at up or join counts once, when the host is admitted.
            """
        ],
        examples: [
            .init("swarmlet node labels lynx", "show them"),
            .init("swarmlet node labels lynx rack=b gpu-", "lynx was moved, and lost its card"),
        ], run: labels)

    private static let remove = Command(
        "node remove", summary: "Remove a dead host, and all that was meant for it",
        operands: .words(placeholder: "NODE", least: 1, most: 1),
        details: [
            """
            For a host that will not come back: what it held for good is given up. One that is alive leaves by itself:
            swarmlet leave, typed there. Dead hosts can go by themselves, too: swarmlet config set
            members.remove-inactive-after 30d
            """
        ],
        examples: [.init("swarmlet node remove newt", "newt was scrapped")], run: remove)

    private static let revoke = Command(
        "node revoke", summary: "Put a host out of the mesh at once, and its key for ever",
        operands: .words(placeholder: "NODE", least: 1, most: 1), flags: [Flag("yes", short: "y", "do not ask")],
        details: [
            """
            For a host that was stolen or broken into. Every member cuts its sessions and refuses its key from then on;
            its jobs start again elsewhere, from their newest checkpoint, when its lease is over. What it knew it still
            knows: change the secrets that its jobs had, and withdraw invitations that lay there.
            """
        ],
        examples: [.init("swarmlet node revoke newt", "newt was stolen")], run: revoke)

    private static func remove(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        try end(.remove(invocation.operands[0]), "removed", invocation, terminal)
    }

    private static func labels(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let node = invocation.operands[0]
        var pairs: [ParsedValue.Pair] = []
        var removed: [String] = []
        for word in invocation.operands.dropFirst() {
            if word.hasSuffix("-"), !word.utf8.contains(UInt8(ascii: "=")), word.utf8.count > 1 {
                removed.append(String(word.dropLast()))
            } else if case .pairs(let more)? = ParsedValue(word, for: .labels) {
                pairs += more
            } else {
                throw .badValue(
                    flag: "NAME=VALUE", value: word, expectation: "NAME=VALUE to give a label or NAME- to take it away",
                    command: "node labels")
            }
        }
        if let pair = pairs.first(where: { removed.contains($0.name) }) {
            throw .conflict(
                message: "\(pair.name)=\(pair.value ?? "") and \(pair.name)- say different things",
                hint: "keep one of them. See: swarmlet node labels --help")
        }
        let request: APIRequest =
            pairs.isEmpty && removed.isEmpty
            ? .inspectNode(node) : .label(LabelRequest(node: node, set: Labels.sorted(pairs), removed: removed))
        guard case .member(let member) = try LocalClient.call(request, try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than a member")
        }
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("node", .string(member.name)),
                    ("labels", .object(member.labels.map { ($0.name, .string($0.value)) })),
                ]))
        } else {
            for label in member.labels { try terminal.result("\(label.name)=\(label.value)\n") }
        }
        return ExitCode.success
    }

    private static func revoke(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let name = invocation.operands[0]
        if !invocation.has("yes") {
            let question = "\(name) will be put out of the mesh, and its key never admitted again. Go on?"
            guard
                try terminal.confirm(question, hint: "to do it without being asked: swarmlet node revoke \(name) --yes")
            else { throw .declined(what: "node revoke") }
        }
        return try end(.revoke(name), "revoked", invocation, terminal)
    }

    private static func end(
        _ request: APIRequest, _ what: String, _ invocation: Invocation, _ terminal: Terminal
    ) throws(CommandError) -> Int32 {
        guard case .member(let member) = try LocalClient.call(request, try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than a member")
        }
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("node", .string(member.name)), ("id", .string(member.shortID)),
                    (what, .bool(true)),
                ]))
        } else {
            terminal.note("\(member.name) (\(member.shortID)) is \(what)")
        }
        return ExitCode.success
    }

    /// As Nomad: long enough for most jobs, short enough for an evening.
    private static let deadlineDefault = Interval.seconds(3600)

    private static func drain(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let given = ["deadline", "no-deadline", "force"].filter(invocation.has)
        guard given.count <= 1 else {
            throw .conflict(
                message: given.map { "--\($0)" }.joined(separator: " and ") + " say different things",
                hint: "keep one of them. See: swarmlet node drain --help")
        }
        let patience: Interval? =
            invocation.has("force")
            ? .zero : invocation.has("no-deadline") ? nil : invocation.interval("deadline") ?? deadlineDefault
        let request = DrainRequest(
            node: invocation.operands[0], kind: .drain,
            patienceMilliseconds: patience.map { UInt64(max(0, $0.milliseconds)) },
            reason: invocation.text("reason") ?? "", waits: !invocation.has("detach"))
        return try carryOut(request, invocation, terminal)
    }

    private static func cordon(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let request = DrainRequest(
            node: invocation.operands[0], kind: .cordon, reason: invocation.text("reason") ?? "", waits: false)
        return try carryOut(request, invocation, terminal)
    }

    private static func uncordon(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let request = DrainRequest(node: invocation.operands[0], kind: nil, waits: false)
        return try carryOut(request, invocation, terminal)
    }

    private static func carryOut(
        _ request: DrainRequest, _ invocation: Invocation, _ terminal: Terminal
    ) throws(CommandError) -> Int32 {
        let client = try LocalClient(try DataDirectory.chosen(invocation))
        try client.send(.drain(request))
        var first: DrainView?
        var last: DrainView?
        while true {
            switch try client.reply() {
            case .drain(let view):
                if first == nil {
                    if terminal.format == .text { say(request, view, terminal) }
                    first = view
                }
                last = view
            case .done:
                guard let first, let last else { throw .badAnswer(reason: "no word about the node") }
                if terminal.format == .json { try terminal.result(json(request, first, last)) }
                return ExitCode.success
            default: throw .badAnswer(reason: "another reply than how far it is")
            }
            if let last, last.isOver, terminal.format == .text { sayEnd(last, terminal) }
        }
    }

    private static func say(_ request: DrainRequest, _ view: DrainView, _ terminal: Terminal) {
        switch request.kind {
        case nil: terminal.note("\(view.node) takes work again")
        case .cordon: terminal.note("\(view.node): no new work is placed; what runs there stays")
        case .drain:
            // Many tasks of one array are one thing to know.
            var words: [String] = []
            for work in view.work.prefix(12) { words.append(fate(work, request)) }
            if view.work.count > 12 { words.append("and \(view.work.count - 12) more") }
            terminal.warn("\(view.node): " + (words + ["no new work is placed"]).joined(separator: "; "))
        }
    }

    private static func sayEnd(_ view: DrainView, _ terminal: Terminal) {
        let time = TimeSpan.text(Interval(nanoseconds: Int64(clamping: view.milliseconds) &* 1_000_000))
        terminal.note("\(view.node) is drained after \(time); no job was lost")
        if view.keepsSeat {
            terminal.warn("\(view.node) still votes: no other node can take its seat. See: swarmlet raft ls")
        }
    }

    private static func fate(_ work: DrainView.Work, _ request: DrainRequest) -> String {
        let job = work.task.map { "task \(work.job)_\($0)" } ?? "job \(work.job)"
        let ends = work.endsInMilliseconds.map {
            " in about \(TimeSpan.text(Interval(nanoseconds: Int64(clamping: $0) &* 1_000_000)))"
        }
        switch work.fate {
        case .moves:
            let target = work.target.map { " to \($0)" } ?? " when there is room"
            let checkpoint = work.checkpointBytes.map { " with its checkpoint (\(ByteSize.text($0)))" }
            return "\(job) moves\(target)\(checkpoint ?? ", from its beginning")"
        case .stays: return "\(job) must never be repeated and comes to its end\(ends ?? "")"
        case .ends:
            let limit = work.endsInMilliseconds ?? .max
            guard let patience = request.patienceMilliseconds, limit > patience else {
                return "\(job) ends by itself\(ends ?? "")"
            }
            let time = TimeSpan.text(Interval(nanoseconds: Int64(clamping: patience) &* 1_000_000))
            return "\(job) may end within \(time), then it starts again elsewhere"
        }
    }

    private static func json(_ request: DrainRequest, _ first: DrainView, _ last: DrainView) -> JSON {
        .object([
            ("schema_version", .integer(1)), ("node", .string(first.node)),
            ("takes_work", .bool(request.kind == nil)), ("drained", .bool(last.isOver)),
            ("keeps_seat", .bool(last.keepsSeat)), ("seconds", .number(Double(last.milliseconds) / 1000)),
            (
                "work",
                .array(
                    first.work.map { work in
                        .object([
                            ("id", .string(work.task.map { "\(work.job)_\($0)" } ?? "\(work.job)")),
                            ("fate", .string("\(work.fate)")), ("to", .optional(work.target)),
                            ("checkpoint_bytes", work.checkpointBytes.map { .count($0) } ?? .null),
                        ])
                    })
            ),
        ])
    }
}
