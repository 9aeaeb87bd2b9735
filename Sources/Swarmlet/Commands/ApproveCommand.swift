import Codec
import Node

/// `swarmlet approve`: admits a host that knocked.
enum ApproveCommand {
    static let declaration = Command(
        "approve", summary: "Admit a host that waits to join",
        operands: .words(placeholder: "NAME", least: 1, most: 1),
        details: ["NAME is the node's name or the 8 characters of its id; swarmlet members shows who waits."],
        examples: [.init("swarmlet approve lynx", "admit lynx, after comparing the id it shows")], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let request = APIRequest.approve(invocation.operands[0])
        guard case .member(let member) = try LocalClient.call(request, try DataDirectory.chosen(invocation)) else {
            throw .badAnswer(reason: "another reply than a member")
        }
        if terminal.format == .json {
            try terminal.result(MembersText.json(member))
        } else {
            let hardware = StatusText.hardware(member.cpus, member.memoryBytes, member.gpus)
            terminal.note("\(member.name) (\(member.shortID)) is admitted: \(hardware)")
        }
        return ExitCode.success
    }
}
