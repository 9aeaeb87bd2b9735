import Codec
import Node

/// `swarmlet ping`: round trips to another member.
enum PingCommand {
    static let declaration = Command(
        "ping", summary: "Measure round trips to another host of the mesh",
        operands: .words(placeholder: "NODE", least: 1, most: 1),
        flags: [
            Flag("count", short: "c", .count(placeholder: "N", 1...100_000), "how many (default 5)"),
            Flag("interval", short: "i", .duration, "between one and the next (default 1s)"),
        ],
        details: [
            """
            Each is a message that comes back over the session that carries votes and leases: encrypted, and from daemon
            to daemon. One without an answer in 2 s is lost. Exits with 1 if none came back. Which ports are open, and in
            which direction: swarmlet doctor NODE
            """
        ],
        examples: [
            .init("swarmlet ping lynx", "five round trips"),
            .init("swarmlet ping -c 100 -i 10ms lynx --json | jq .median_seconds", "for other tools"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let pause = invocation.interval("interval") ?? Interval.seconds(1)
        let request = PingRequest(
            node: invocation.operands[0], count: UInt32(invocation.count("count") ?? 5),
            pauseMilliseconds: UInt64(max(0, pause.milliseconds)))
        let client = try LocalClient(try DataDirectory.chosen(invocation))
        try client.send(.ping(request))
        var pongs: [PongView] = []
        while true {
            switch try client.reply() {
            case .pong(let pong):
                pongs.append(pong)
                if terminal.format == .text, terminal.volume == .normal { try terminal.result(line(pong)) }
            case .done: return try finish(pongs, terminal)
            default: throw .badAnswer(reason: "another reply than a round trip")
            }
        }
    }

    /// `lynx (Q2mv8RtB) 192.168.1.12:7717: 0.4 ms, direct, TCP session`.
    private static func line(_ pong: PongView) -> String {
        let time = pong.microseconds.map(MembersText.roundTrip) ?? "no answer in 2 s"
        return "\(pong.node) (\(pong.shortID)) \(pong.address ?? "-"): \(time), \(pong.path)\n"
    }

    private static func finish(_ pongs: [PongView], _ terminal: Terminal) throws(CommandError) -> Int32 {
        let times = pongs.compactMap(\.microseconds).sorted()
        let median = times.isEmpty ? nil : times[times.count / 2]
        if terminal.format == .json {
            func seconds(_ time: UInt64?) -> JSON { time.map { .number(Double($0) / 1_000_000) } ?? .null }
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("node", .optional(pongs.first?.node)),
                    ("address", .optional(pongs.last?.address)), ("path", .optional(pongs.last?.path)),
                    ("sent", .integer(Int64(pongs.count))), ("answered", .integer(Int64(times.count))),
                    ("least_seconds", seconds(times.first)), ("median_seconds", seconds(median)),
                    ("most_seconds", seconds(times.last)),
                ]))
        } else if let least = times.first, let median, let most = times.last {
            terminal.note(
                "\(times.count) of \(pongs.count) answered; least \(MembersText.roundTrip(least)), "
                    + "median \(MembersText.roundTrip(median)), most \(MembersText.roundTrip(most))")
        } else {
            terminal.warn("none of \(pongs.count) answered. Why: swarmlet doctor \(pongs.first?.node ?? "NODE")")
        }
        return times.isEmpty ? ExitCode.checkFailed : ExitCode.success
    }
}
