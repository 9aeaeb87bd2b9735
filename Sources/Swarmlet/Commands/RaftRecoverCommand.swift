import Codec
import Node

/// `swarmlet raft recover`: goes on with the mesh from what this host alone has of it.
enum RaftRecoverCommand {
    static let declaration = Command(
        "raft recover", summary: "Go on with the mesh from this host's data alone",
        flags: [Flag("yes", short: "y", "do not ask")],
        details: [
            """
            For when more than half of the voters are gone for good, and with the daemon of this host stopped. It
            becomes the only voter, and others get seats as they join. What the others acknowledged and never sent here
            is lost. Old members that come back put their logs aside and learn from this host; a host that joined after
            this one last heard of the mesh has to join again.
            """
        ],
        examples: [
            .init("swarmlet raft recover", "says what may be lost, and asks"),
            .init("swarmlet raft recover --yes && swarmlet up", "from a script"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        let recovery: RaftRecovery
        do { recovery = try RaftRecovery(directory) } catch { throw .refused(APIFailure(error)) }
        defer { recovery.finish() }
        let found = recovery.findings
        if found.isOnlyVoter {
            terminal.warn("\(found.nodeName) is the only voter of mesh \(found.meshName) already; nothing was changed")
        } else {
            for line in warnings(found) { terminal.warn(line) }
            let question = "make \(found.nodeName) the only voter of mesh \(found.meshName)?"
            if !invocation.has("yes") {
                let hint = "to do it without being asked: swarmlet raft recover --yes"
                guard try terminal.confirm(question, hint: hint) else { throw .declined(what: "raft recover") }
            }
            do { try recovery.carryOut() } catch { throw .refused(APIFailure(error)) }
            terminal.note("\(found.nodeName) is the only voter of mesh \(found.meshName). Start it: swarmlet up")
        }
        if terminal.format == .json {
            try terminal.result(
                .object([
                    ("schema_version", .integer(1)), ("mesh", .string(found.meshName)),
                    ("changed", .bool(!found.isOnlyVoter)), ("last", .count(found.lastIndex)),
                    ("committed", .count(found.commitIndex)), ("term", .count(found.term)),
                    ("given_up", .array(found.givenUp.map { .string($0) })), ("jobs", .integer(Int64(found.jobs))),
                ]))
        }
        return ExitCode.success
    }

    private static func warnings(_ found: RaftRecovery.Findings) -> [String] {
        var lines = [
            "this host has mesh \(found.meshName) up to entry \(found.lastIndex) of term \(found.term) "
                + "(known to be decided: up to \(found.commitIndex)): \(found.members) members, \(found.jobs) jobs"
        ]
        if !found.isVoter {
            lines.append("it is no voter: the voters may have decided much that never came here")
        }
        if let index = found.damagedUpTo {
            lines.append("its log is damaged: entries up to \(index) were acknowledged here, and some of them are gone")
        }
        lines.append(
            "given up: \(found.givenUp.joined(separator: ", ")). What they acknowledged after that and never sent here is lost"
        )
        return lines
    }
}
