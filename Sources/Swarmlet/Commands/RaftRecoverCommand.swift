import Codec
import Node
import Tokens

/// `swarmlet raft recover`: goes on with the mesh from what this host alone has of it.
enum RaftRecoverCommand {
    static let declaration = Command(
        "raft recover", summary: "Go on with the mesh from this host's data alone",
        flags: [
            Flag("from", .text(placeholder: "FILE"), "from what raft snapshot wrote, in place of this host's log"),
            Flag(
                "give-up", .text(placeholder: "NODE,..."),
                "beside a majority that lives: the voters that answer, all by name"),
            Flag("yes", short: "y", "do not ask"), PassphraseSource.flag,
        ],
        details: [
            """
            For when more than half of the voters are gone for good, and with the daemon of this host stopped. It
            becomes the only voter, and others get seats as they join. What the others acknowledged and never sent here
            is lost. Old members that come back put their logs aside and learn from this host; a host that joined after
            this one last heard of the mesh has to join again.
            """,
            """
            Every other voter is asked first: where those that answer are a majority, also with this host counted, it
            is refused, because starting this host is enough then. With --from the mesh is what it was when the snapshot
            was taken; it takes a host that was a member then, with its keys. Its own log is put aside, not deleted.
            """,
            """
            Tokens and invitations of before are void from then on, and issuers that are no members have to be added
            again: which of them were used or withdrawn after what is here was written is not known. Nor is which hosts
            were revoked after it: revoke them again.
            """,
        ],
        examples: [
            .init("swarmlet raft recover", "says what may be lost, and asks"),
            .init("swarmlet raft recover --yes && swarmlet up", "from a script"),
            .init("swarmlet raft recover --from lab.snapshot", "go back to what was kept"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        let recovery: RaftRecovery
        let lock = KeyLock(
            try PassphraseSource.forStart(invocation, directory, command: "raft recover", terminal))
        do { recovery = try RaftRecovery(directory, from: invocation.text("from"), lock: lock) } catch {
            throw .refused(APIFailure(error))
        }
        defer { recovery.finish() }
        let found = recovery.findings
        do { try recovery.permit(givingUp: names(invocation)) } catch { throw .refused(APIFailure(error)) }
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
        if terminal.format == .json { try terminal.result(json(found)) }
        return ExitCode.success
    }

    private static func names(_ invocation: Invocation) -> [String]? {
        invocation.text("give-up").map { $0.split(separator: ",").map(String.init) }
    }

    private static func json(_ found: RaftRecovery.Findings) -> JSON {
        .object([
            ("schema_version", .integer(1)), ("mesh", .string(found.meshName)),
            ("changed", .bool(!found.isOnlyVoter)), ("last", .count(found.lastIndex)),
            ("committed", .count(found.commitIndex)), ("term", .count(found.term)),
            ("given_up", .array(found.givenUp.map { .string($0) })),
            ("answering", .array(found.answering.map { .string($0.name) })), ("jobs", .integer(Int64(found.jobs))),
            ("snapshot_at", .time(found.snapshotTime)),
            ("void", .array(void(found.voids).map { .string($0) })),
            ("issuers_to_add", .array((found.voids == .tokensAndInvitations ? found.issuers : []).map { .string($0) })),
        ])
    }

    private static func void(_ voids: RaftRecovery.Voids) -> [String] {
        switch voids {
        case .nothing: []
        case .tokens: ["tokens"]
        case .tokensAndInvitations: ["tokens", "invitations"]
        }
    }

    private static func warnings(_ found: RaftRecovery.Findings) -> [String] {
        let what =
            found.snapshotTime.map { "the snapshot of \(Timestamp.rfc3339(Instant(nanoseconds: $0))) has" }
            ?? "this host has"
        var lines = [
            "\(what) mesh \(found.meshName) up to entry \(found.lastIndex) of term \(found.term) "
                + "(known to be decided: up to \(found.commitIndex)): \(found.members) members, \(found.jobs) jobs"
        ]
        for voter in found.answering {
            let more = voter.commitIndex.map { ", and knows entries up to \($0) to be decided" } ?? ""
            lines.append("\(voter.name) answers\(more): what it has beyond the above is given up")
        }
        if !found.isVoter {
            lines.append("it is no voter: the voters may have decided much that never came here")
        }
        if let lost = found.lostEntries {
            lines.append("its log is damaged: \(lost) were acknowledged here, and some of them are gone")
        }
        if !found.givenUp.isEmpty {
            lines.append(
                "given up: \(found.givenUp.joined(separator: ", ")). What they acknowledged after that and never sent here is lost"
            )
        }
        return lines + forgotten(found)
    }

    /// What was withdrawn after all that is known here would be good again.
    private static func forgotten(_ found: RaftRecovery.Findings) -> [String] {
        var lines = [
            "a host that was revoked, or got another key, after that is a member again by its old one: "
                + "swarmlet node revoke NAME, for each that you know of"
        ]
        switch found.voids {
        case .nothing: break
        case .tokens:
            lines.append(
                "all tokens of before are void, because some may have been used or revoked after that: "
                    + "swarmlet token create makes others. Invitations of before stay good until they run out")
        case .tokensAndInvitations:
            lines.append(
                "all tokens and invitations of before are void, because some may have been used or revoked after that: "
                    + "swarmlet token create and swarmlet invite make others")
        }
        if found.voids == .tokensAndInvitations, !found.issuers.isEmpty {
            lines.append(
                "issuers have to be added again (\(found.issuers.joined(separator: ", "))): "
                    + "swarmlet token issuer add KEY NAME")
        }
        return lines
    }
}
