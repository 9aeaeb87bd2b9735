import Codec
import Node
import Scheduler

/// `swarmlet members`: who is in the mesh.
enum MembersCommand {
    static let declaration = Command(
        "members", summary: "List the hosts of the mesh, and who waits to join",
        flags: [Flag("watch", short: "w", "show it again whenever it changes, until Ctrl-C")],
        details: [
            """
            STATE: alive suspect away dead left revoked; of those that are alive also cordoned, draining or drained. In a
            pipe --watch writes each table, or with --json each object, after the one before.
            """
        ],
        examples: [
            .init("swarmlet members", "the table"),
            .init("swarmlet members --watch", "look on"),
            .init("swarmlet members --json | jq -r '.members[].name'", "for other tools"),
        ], run: run)

    /// How often it is asked again.
    private static let watchPause = Interval.milliseconds(500)

    static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        guard invocation.has("watch") else {
            try show(try ask(directory), terminal)
            return ExitCode.success
        }
        var shown: MembersView?
        while true {
            let view = try ask(directory)
            if shown.map({ steady($0) != steady(view) }) ?? true {
                if terminal.stdoutIsTerminal, terminal.format == .text {
                    try terminal.clearScreen()
                } else if shown != nil, terminal.format == .text, terminal.volume == .normal {
                    try terminal.result("\n")
                }
                try show(view, terminal)
                shown = view
            }
            _ = LocalClient.wait(for: nil, signals: nil, until: Clock.sinceBoot() + watchPause)
        }
    }

    static func ask(_ directory: DataDirectory) throws(CommandError) -> MembersView {
        guard case .members(let view) = try LocalClient.call(.members, directory) else {
            throw .badAnswer(reason: "another reply than members")
        }
        return view
    }

    /// Without what never stands still.
    private static func steady(_ view: MembersView) -> MembersView {
        var view = view
        view.staleMilliseconds = view.staleMilliseconds.map { _ in 0 }
        view.endings = []
        for index in view.members.indices {
            view.members[index].roundTripMicroseconds = nil
            view.members[index].notice = nil
            view.members[index].loadHundredths = nil
        }
        return view
    }

    private static func show(_ view: MembersView, _ terminal: Terminal) throws(CommandError) {
        if terminal.format == .json {
            try terminal.result(MembersText.json(view))
        } else if terminal.volume == .quiet {
            try terminal.result(view.members.map { $0.name + "\n" }.joined())
        } else {
            try terminal.result(MembersText.table(view).text(width: terminal.tableWidth))
            for node in view.waiting {
                terminal.warn("\(node.name) (\(node.shortID)) at \(node.address) waits: swarmlet approve \(node.name)")
            }
            for member in view.members {
                guard let notice = member.notice else { continue }
                guard member.state != "away" else {
                    terminal.warn("\(member.name) \(notice).")
                    continue
                }
                terminal.warn(
                    "\(member.name) \(notice). If it will not come back: swarmlet node remove \(member.name)")
            }
            for ending in view.endings { terminal.warn("\(ending.what) \(ending.detail). \(ending.hint)") }
            Staleness.tell(view.staleMilliseconds, terminal)
        }
    }
}
