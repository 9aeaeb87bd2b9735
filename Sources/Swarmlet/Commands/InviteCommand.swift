import Codec
import Node
import Scheduler

/// `swarmlet invite`: makes an invitation and prints it.
enum InviteCommand {
    static let declaration = Command(
        "invite", summary: "Print an invitation for hosts to join this mesh",
        flags: [
            Flag("uses", .count(placeholder: "N", 1...10_000), "how many hosts may join by it (default 1)"),
            Flag("ttl", .duration, "how long it is good (default 1h)"),
            Flag("role", .choice(["auto", "worker"]), "worker: its hosts never vote and never admit others"),
            Flag("labels", .labels, "labels of the hosts that join by it"),
        ],
        details: ["Whoever holds an invitation can add a host: send it by ssh, not by chat."],
        examples: [
            .init("swarmlet invite | ssh lynx swarmlet join -", "add lynx"),
            .init("swarmlet invite --uses 2 --ttl 1h > lab.inv", "one for two hosts, in a file"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let seconds = invocation.interval("ttl").map { UInt64($0.nanoseconds / 1_000_000_000) } ?? 3600
        let request = InviteRequest(
            uses: UInt32(invocation.count("uses") ?? 1), timeToLiveSeconds: max(1, seconds),
            worker: invocation.text("role") == "worker", labels: Labels.sorted(invocation.pairs("labels")))
        guard case .invitation(let view) = try LocalClient.call(.invite(request), try DataDirectory.chosen(invocation))
        else {
            throw .badAnswer(reason: "another reply than an invitation")
        }
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("invitation", .string(view.line)), ("id", .string(view.shortID)),
                    ("uses", .integer(Int64(view.uses))), ("expires", .time(view.expires)),
                ]))
            return ExitCode.success
        }
        try terminal.result(view.line + "\n")
        let uses = view.uses == 1 ? "1 use" : "\(view.uses) uses"
        terminal.note(
            "invitation \(view.shortID): \(uses) until \(Timestamp.clock(Instant(nanoseconds: view.expires))). "
                + "Whoever holds it can add a host: send it by ssh, not by chat")
        return ExitCode.success
    }
}
