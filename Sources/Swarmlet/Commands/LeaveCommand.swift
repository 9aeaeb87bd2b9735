import Codec
import Node

/// `swarmlet leave`: takes this host out of its mesh.
enum LeaveCommand {
    static let declaration = Command(
        "leave", summary: "Take this host out of its mesh",
        flags: [
            Flag("forget", "also delete this node's keys and history; needed on the last node of a mesh"),
            Flag("yes", short: "y", "do not ask"),
        ],
        details: ["Jobs of this host start again on others from their newest checkpoint."],
        examples: [
            .init("swarmlet leave", "leave, and be free to join another mesh"),
            .init("swarmlet leave --forget", "give up a mesh of one node"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        guard case .status(let status) = try LocalClient.call(.status, directory) else {
            throw .badAnswer(reason: "another reply than a status")
        }
        let mesh = status.meshName ?? "-"
        let forget = invocation.has("forget")
        if forget, status.inMesh, !invocation.has("yes"), try isLastNode(directory) {
            let node = status.nodeName ?? "this node"
            let question = "\(node) is the last node: mesh \(mesh), its key and its history will be deleted. Go on?"
            guard try terminal.confirm(question, hint: "to do it without being asked: swarmlet leave --forget --yes")
            else { throw .declined(what: "leave") }
        }
        _ = try LocalClient.call(.leave(LeaveRequest(forget: forget)), directory)
        if terminal.format == .json {
            try terminal.result(.object([("schema_version", .integer(1)), ("mesh", .optional(status.meshName))]))
        } else {
            terminal.note("\(status.nodeName ?? "this node") has left mesh \(mesh)")
        }
        return ExitCode.success
    }

    private static func isLastNode(_ directory: DataDirectory) throws(CommandError) -> Bool {
        guard case .members(let view) = try LocalClient.call(.members, directory) else {
            throw .badAnswer(reason: "another reply than members")
        }
        return view.members.filter { $0.state != "left" }.count <= 1
    }
}
