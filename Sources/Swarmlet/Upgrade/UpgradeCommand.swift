import Codec
import Node

/// `swarmlet upgrade`: another program in the place of the one that runs, here or on every host.
enum UpgradeCommand {
    static let declaration = Command(
        "upgrade", summary: "Let this host, or every host, run another swarmlet; jobs go on",
        operands: .words(placeholder: "[BINARY]", least: 0, most: 1),
        flags: [
            Flag("rolling", "every host of the mesh, one after the other, the leader last"),
            Flag("allow-older", "also one of an earlier version than what runs"),
        ],
        details: [
            """
            BINARY is the new program; without it, the one that runs this command. The host that is asked signs that you want
            it; each host looks at that, lets the program test itself, and asks whether it speaks the protocol of the mesh;
            only then anything changes. It takes the place of the program that the daemon runs, and the daemon goes on as it,
            under the same process number. Jobs run on meanwhile. Where the new daemon does not come, the old program is put
            back and started. It is kept in the data directory, as program-before, also where all went well.
            """,
            """
            --rolling sends it from host to host, waits until each is back, caught up, in its seat and with its jobs, and
            stops at the first that is not. What has it already is passed over, so it may be repeated; hosts that are dead
            stay as they are. Administrators only; of other hosts, those of one that may vote.
            """,
        ],
        examples: [
            .init("sudo swarmlet upgrade ./swarmlet", "this host"),
            .init("sudo swarmlet upgrade --rolling ./swarmlet", "all hosts"),
            .init("sudo swarmlet upgrade", "after the package was updated: what runs is signed, too"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        let program = try NewProgram(invocation.operands.first, allowsOlder: invocation.has("allow-older"))
        defer { program.remove() }
        let upgrade = RollingUpgrade(directory: directory, program: program, terminal: terminal)
        let hosts = try upgrade.run(everywhere: invocation.has("rolling"))
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("program", .string(program.digest.hex)),
                    (
                        "hosts",
                        .array(
                            hosts.map { host in
                                .object([
                                    ("name", .string(host.name)), ("from", .string(host.before)),
                                    ("version", .string(host.after)), ("state", .string("\(host.state)")),
                                ])
                            })
                    ),
                ]))
        }
        return ExitCode.success
    }
}
