import Codec
import Node
import Scheduler

/// `swarmlet members`: who is in the mesh.
enum MembersCommand {
    static let declaration = Command(
        "members", summary: "List the hosts of the mesh, and who waits to join",
        examples: [
            .init("swarmlet members", "the table"),
            .init("swarmlet members --json | jq -r '.members[].name'", "for other tools"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard case .members(let view) = try LocalClient.call(.members, try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than members")
        }
        if terminal.format == .json {
            try terminal.result(MembersText.json(view))
        } else if terminal.volume == .quiet {
            try terminal.result(view.members.map { $0.name + "\n" }.joined())
        } else {
            try terminal.result(MembersText.table(view).text(width: terminal.tableWidth))
            for node in view.waiting {
                terminal.warn("\(node.name) (\(node.shortID)) at \(node.address) waits: swarmlet approve \(node.name)")
            }
            Staleness.tell(view.staleMilliseconds, terminal)
        }
        return ExitCode.success
    }
}
