import Codec
import Node
import Scheduler

/// `swarmlet node ls|inspect|health`: how hosts and their devices are.
enum NodeHealth {
    static let list = Command(
        "node ls", summary: "List the hosts of the mesh, as swarmlet members does",
        flags: MembersCommand.declaration.flags,
        examples: [.init("swarmlet node ls", "the table")], run: MembersCommand.run)

    static let inspect = Command(
        "node inspect", summary: "Show everything about one host, as swarmlet inspect does",
        operands: .words(placeholder: "NODE", least: 1, most: 1),
        examples: [.init("swarmlet node inspect lynx", "its hardware, its devices, its place in the mesh")]
    ) { (invocation, terminal) throws(CommandError) in
        try InspectCommand.showNode(invocation.operands[0], try DataDirectory.chosen(invocation), terminal)
    }

    static let health = Command(
        "node health", summary: "Show which GPUs can be used, and what keeps jobs from the others",
        operands: .words(placeholder: "[NODE]", least: 0, most: 1),
        details: [
            """
            STATE: ok; in use, by somebody who is no job of swarmlet; unhealthy, with what to do. A device that had an
            error is given no job until its driver says that nothing needs to be done. Exit code 1 if one is unhealthy.
            """
        ],
        examples: [
            .init("swarmlet node health", "the whole mesh"), .init("swarmlet node health lynx --json", "one host"),
        ], run: health)

    private static func health(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        let members: [MemberView]
        if let name = invocation.operands.first {
            members = [try InspectCommand.member(name, directory)]
        } else {
            members = try MembersCommand.ask(directory).members.filter { !["left", "revoked"].contains($0.state) }
        }
        let isSound = members.allSatisfy { $0.gpus.allSatisfy { $0.obstacle?.kind != .unhealthy } }
        if terminal.format == .json {
            let gpus = members.flatMap { member in
                member.gpus.map { gpu in JSON.object([("node", .string(member.name)), ("gpu", StatusText.json(gpu))]) }
            }
            try terminal.result(.object([("schema_version", .integer(1)), ("gpus", .array(gpus))]))
        } else {
            try terminal.result(table(members).text(width: terminal.tableWidth))
        }
        return isSound ? ExitCode.success : ExitCode.checkFailed
    }

    private static func table(_ members: [MemberView]) -> Table {
        var table = Table(["NODE", "GPU", "MODEL", "STATE", "DETAIL"])
        for member in members {
            for gpu in member.gpus {
                table.add([
                    member.name, "\(gpu.index)", StatusText.gpus([gpu]).map { String($0.dropFirst(3)) },
                    StatusText.state(gpu), gpu.obstacle?.text,
                ])
            }
        }
        return table
    }
}
