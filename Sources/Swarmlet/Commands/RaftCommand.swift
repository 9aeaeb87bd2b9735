import Codec
import Glibc
import Node
import Scheduler

/// `swarmlet raft`: the log of the mesh, for its operator.
enum RaftCommand {
    static let declaration = Command(
        group: "raft", summary: "Show and look after the voters of the mesh",
        details: [
            """
            The voters keep the log of the mesh; the mesh chooses them by itself: swarmlet config --help.
            Nodes with the same value of the labels owner or rack share a fate: seats are spread over them.
            """
        ],
        examples: [
            .init("swarmlet raft ls", "who votes, who leads, and who is behind"),
            .init("swarmlet raft transfer lynx", "let lynx lead"),
        ], subcommands: [list, transfer, snapshot, RaftRecoverCommand.declaration])

    private static let list = Command(
        "raft ls", summary: "List the voters and learners of the mesh's log",
        details: [
            """
            COMMITTED is the last decided entry that a member has on disk, BEHIND what it lacks of the leader's log,
            HEARD how long ago the leader heard it. STATE: ok, silent, catching up, snapshot, damaged, joining, leaving.
            """
        ],
        examples: [
            .init("swarmlet raft ls", "the table"),
            .init("swarmlet raft ls --json | jq .leader", "who leads, for other tools"),
        ], run: list)

    private static let transfer = Command(
        "raft transfer", summary: "Hand the leadership to another voter",
        operands: .words(placeholder: "[NODE]", least: 0, most: 1),
        details: ["Without NODE: to the voter whose log is longest."],
        examples: [.init("swarmlet raft transfer lynx", "let lynx lead")], run: transfer)

    private static let snapshot = Command(
        "raft snapshot", summary: "Write the state of the mesh to stdout",
        details: [
            """
            A copy to keep off the hosts, for the day when all logs are lost: members, jobs and their states, settings,
            as of now; what was acknowledged before is in it. It holds no keys, no output and no files of jobs, and
            nothing needs it to free space: nodes compact their logs by themselves. Back to it, on a host that was a
            member then, with its daemon stopped: swarmlet raft recover --from FILE
            """
        ],
        examples: [
            .init("swarmlet raft snapshot > lab.snapshot", "keep a copy"),
            .init("swarmlet raft recover --from lab.snapshot", "go back to it"),
        ], run: snapshot)

    static let columns = ["NAME", "ID", "RAFT", "TERM", "COMMITTED", "BEHIND", "HEARD", "STATE"]

    private static func list(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard case .raft(let view) = try LocalClient.call(.raft(.mesh), try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than the log's")
        }
        if terminal.format == .json {
            try terminal.result(json(view))
        } else if terminal.volume == .quiet {
            try terminal.result(view.members.map { $0.name + "\n" }.joined())
        } else {
            var table = Table(columns)
            for member in view.members {
                table.add([
                    member.name, member.shortID, member.raft, "\(view.term)", member.committed.map { "\($0)" },
                    member.behind.map { "\($0)" }, member.heardMilliseconds.map(heard), member.state,
                ])
            }
            try terminal.result(table.text(width: terminal.tableWidth))
            for member in view.members where member.state == "damaged" {
                terminal.warn(
                    "\(member.name) has lost entries that it had acknowledged, and does not vote until it has them again. "
                        + "More, on \(member.name): swarmlet doctor")
            }
            Staleness.tell(view.staleMilliseconds, terminal)
        }
        return ExitCode.success
    }

    /// `0.1s`, and from ten seconds on as all times.
    private static func heard(_ milliseconds: UInt64) -> String {
        milliseconds < 10_000
            ? "\(milliseconds / 1000).\(milliseconds % 1000 / 100)s"
            : TimeSpan.text(Interval(nanoseconds: Int64(clamping: milliseconds) * 1_000_000))
    }

    private static func json(_ view: RaftView) -> JSON {
        .object([
            ("schema_version", .integer(1)), ("leader", .optional(view.leader)), ("term", .count(view.term)),
            ("committed", .count(view.commitIndex)), ("applied", .count(view.appliedIndex)),
            ("snapshot", .count(view.snapshotIndex)), ("level", .count(view.level)), ("epoch", .count(view.epoch)),
            ("stale_seconds", view.staleMilliseconds.map { .number(Double($0) / 1000) } ?? .null),
            (
                "members",
                .array(
                    view.members.map { member in
                        .object([
                            ("name", .string(member.name)), ("id", .string(member.shortID)),
                            ("raft", .string(member.raft)),
                            ("committed", member.committed.map { .count($0) } ?? .null),
                            ("behind", member.behind.map { .count($0) } ?? .null),
                            ("heard_seconds", member.heardMilliseconds.map { .number(Double($0) / 1000) } ?? .null),
                            ("state", .string(member.state)),
                        ])
                    })
            ),
        ])
    }

    private static func transfer(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let request = APIRequest.raftTransfer(invocation.operands.first ?? "")
        guard case .member(let member) = try LocalClient.call(request, try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than a member")
        }
        if terminal.format == .json {
            try terminal.result(.object([("schema_version", .integer(1)), ("leader", .string(member.name))]))
        } else {
            terminal.note("\(member.name) leads")
        }
        return ExitCode.success
    }

    private static func snapshot(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard !terminal.stdoutIsTerminal else {
            throw .conflict(
                message: "a snapshot is bytes, which a terminal cannot show", hint: "swarmlet raft snapshot > FILE")
        }
        let client = try LocalClient(try DataDirectory.chosen(invocation))
        try client.send(.raftSnapshot)
        var count: UInt64 = 0
        while true {
            switch try client.reply() {
            case .bytes(let bytes):
                count += UInt64(bytes.count)
                try terminal.pass(bytes.array, to: .stdout)
            case .done:
                terminal.note("snapshot of \(ByteSize.text(count))")
                return ExitCode.success
            default: throw .badAnswer(reason: "another reply than a piece of a snapshot")
            }
        }
    }
}
