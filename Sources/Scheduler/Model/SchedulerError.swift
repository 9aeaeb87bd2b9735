import Codec

/// Why the state of the mesh refused a command. No case changes anything.
public enum SchedulerError: Error, Hashable, Sendable {
    /// Every use of the invitation is spent; `admitted` says on whom and when.
    case tokenUsed(invitation: String, admitted: String)
    case tokenExpired(invitation: String, at: String)
    /// It was made before the mesh was recovered, and its uses may be forgotten.
    case invitationBeforeRecovery(invitation: String)
    /// Too many invitations are remembered.
    case tooManyInvitations
    /// Too many nodes wait to be approved.
    case tooManyWaiting
    case tooManyNodes
    /// What a joiner says about itself cannot be right.
    case badNode(String)
    /// Labels that a node cannot have, and why.
    case badLabels(String)
    /// Its key was revoked when it was this member's.
    case revoked(name: String, at: String)
    case alreadyFounded(mesh: String)
    case notFounded
    /// Nobody of this name or short id waits.
    case nobodyWaits(String)
    /// More than one waiting node has this name.
    case ambiguous(name: String, shortIDs: [String])
    case nodeNotFound(String)
    case noCommand
    case noTasks
    case tooManyTasks(UInt32)
    case tooLarge(bytes: Int)
    case queueFull
    /// No member could ever hold it, not even when empty.
    case neverFits(asks: String, nearest: String, wayOut: String)
    /// So many members that each could hold its ranks there are not, not even when empty.
    case gangNeverFits(asks: String, able: String, nearest: String, wayOut: String)
    /// What is asked of a gang cannot be.
    case badGang(String)
    /// Its ranks could not meet.
    case gangWithoutNetwork
    case jobNotFound(JobID)
    case taskNotFound(JobID, UInt32)
    case jobEnded(JobID, TaskState)
    /// The attempt was superseded or its task ended.
    case attemptStale(AttemptKey)
    case checkpointNotFound(JobID, UInt64)
    /// Another set of files has that number already.
    case checkpointTaken(JobID, UInt64)
    case treeNotFound(Digest)
    case settingUnknown(key: String, nearest: String?)
    /// A key of one's own that no key can be.
    case settingKeyRefused(key: String)
    case settingValueRefused(key: String, value: String, form: String)
    case settingTooLarge(key: String, bytes: Int)
    case tooManySettings
    /// Every use of a guest's token is spent, on these jobs.
    case guestTokenUsed(jobs: [JobID], uses: UInt64, at: String, madeBy: String)
    case guestTokenExpired(at: String)
    case tokenIssuerExpired(name: String, at: String)
    case tokenRevoked(by: String, at: String)
    /// The token has as many unfinished jobs as one may have.
    case tooManyGuestJobs(max: Int)
    /// The mesh believes the tokens that it made, and this is none of them.
    case tokenNotIssued
    /// A token or an issuer that cannot be.
    case badToken
    /// Too many tokens, revocations or issuers are remembered.
    case tooManyTokens
    /// Who sent a command is no member, or was put out.
    case notAMember(String)
    /// A member spoke for another one, or as the leader.
    case notItsWord(String)
    /// An administrator's command came from a host that can never vote.
    case administratorsElsewhere(node: String, role: String, others: [String])
    /// Who asks is not stated, or not by the key of the host at which he asks, or of something else.
    case roleNotStated(node: String)
    /// An administrator's command was asked for by somebody who is none at his host.
    case notAnAdministrator(actor: String, node: String)
    /// It was a member's key, which has another one now.
    case keyReplaced(name: String)
    /// The key of this node was rotated a moment ago.
    case rotatedJustNow(name: String, at: String, again: String)
    /// No key of this name or id may issue tokens.
    case issuerNotFound(String)
    /// A rotation of keys that cannot be, and why.
    case badRotation(String)
    /// The node's program is older than what the mesh speaks.
    case levelTooOld(node: ProtocolLevels, mesh: UInt64)
    /// The node's program no longer speaks what the mesh still speaks.
    case levelTooNew(node: ProtocolLevels, mesh: UInt64)
    /// The command has a meaning that not every member knows yet.
    case levelNotReached(needed: UInt64, mesh: UInt64)
    /// The command belongs to a newer version.
    case unrecognised

    /// Stable, for programs.
    public var code: String {
        switch self {
        case .tokenUsed: return "mesh.join.token_used"
        case .tokenExpired: return "mesh.join.token_expired"
        case .invitationBeforeRecovery: return "mesh.join.token_void"
        case .tooManyInvitations: return "mesh.join.too_many_invitations"
        case .tooManyWaiting: return "mesh.join.too_many_waiting"
        case .tooManyNodes: return "mesh.join.mesh_full"
        case .badNode: return "mesh.join.bad_node"
        case .badLabels: return "node.labels.invalid"
        case .revoked: return "mesh.join.revoked"
        case .alreadyFounded: return "mesh.already_founded"
        case .notFounded: return "mesh.not_founded"
        case .nobodyWaits: return "mesh.approve.not_found"
        case .ambiguous: return "mesh.approve.ambiguous"
        case .nodeNotFound: return "node.not_found"
        case .noCommand: return "job.no_command"
        case .noTasks: return "job.no_tasks"
        case .tooManyTasks: return "job.too_many_tasks"
        case .tooLarge: return "job.too_large"
        case .queueFull: return "job.queue_full"
        case .neverFits, .gangNeverFits: return "job.never_fits"
        case .badGang: return "job.bad_gang"
        case .gangWithoutNetwork: return "job.gang_without_network"
        case .jobNotFound: return "job.not_found"
        case .taskNotFound: return "job.task_not_found"
        case .jobEnded: return "job.ended"
        case .attemptStale: return "job.attempt_stale"
        case .checkpointNotFound: return "job.checkpoint_not_found"
        case .checkpointTaken: return "job.checkpoint_taken"
        case .treeNotFound: return "job.tree_not_found"
        case .settingUnknown: return "config.unknown_key"
        case .settingKeyRefused: return "config.bad_key"
        case .settingValueRefused: return "config.bad_value"
        case .settingTooLarge: return "config.too_large"
        case .tooManySettings: return "config.too_many"
        case .guestTokenUsed: return "token.used"
        case .guestTokenExpired: return "token.expired"
        case .tokenIssuerExpired: return "token.issuer_expired"
        case .tokenRevoked: return "token.revoked"
        case .tooManyGuestJobs: return "token.limit.jobs"
        case .tokenNotIssued: return "token.not_issued"
        case .badToken: return "token.refused"
        case .tooManyTokens: return "token.too_many"
        case .notAMember: return "mesh.not_a_member"
        case .notItsWord: return "mesh.not_its_word"
        case .administratorsElsewhere, .roleNotStated, .notAnAdministrator: return "auth.denied"
        case .keyReplaced: return "mesh.join.key_replaced"
        case .rotatedJustNow: return "rotate.just_now"
        case .badRotation: return "rotate.refused"
        case .issuerNotFound: return "token.issuer_not_found"
        case .levelTooOld: return "mesh.level.too_old"
        case .levelTooNew: return "mesh.level.too_new"
        case .levelNotReached: return "mesh.level.not_reached"
        case .unrecognised: return "mesh.command_unknown"
        }
    }

    /// A sentence for the user.
    public var message: String {
        switch self {
        case .tokenUsed(let invitation, let admitted): return "invitation \(invitation) is used up: \(admitted)"
        case .tokenExpired(let invitation, let at): return "invitation \(invitation) expired at \(at)"
        case .invitationBeforeRecovery(let invitation):
            return "invitation \(invitation) was made before the mesh was recovered, which made all of before void"
        case .tooManyInvitations: return "the mesh remembers too many invitations that have not expired"
        case .tooManyWaiting: return "too many nodes wait to be approved"
        case .tooManyNodes: return "the mesh has as many nodes as it can hold"
        case .badNode(let what): return "the node cannot be admitted: \(what)"
        case .badLabels(let what): return "a node cannot be labelled so: \(what)"
        case .revoked(let name, let at): return "the key of this host was revoked, as \(name), at \(at)"
        case .alreadyFounded(let mesh): return "this is mesh \(mesh) already"
        case .notFounded: return "the mesh has not been founded"
        case .nobodyWaits(let who): return "no node \(who) waits to be approved"
        case .ambiguous(let name, let shortIDs):
            return "\(shortIDs.count) nodes that call themselves \(name) wait: \(shortIDs.joined(separator: ", "))"
        case .nodeNotFound(let who): return "no node \(who) in this mesh"
        case .noCommand: return "the job has no command"
        case .noTasks: return "the job has no tasks"
        case .tooManyTasks(let count): return "the job has \(count) tasks; at most \(JobSpec.tasksMax) fit in one"
        case .tooLarge(let bytes):
            return
                "the description of the job has \(bytes / 1024) KiB; at most \(SchedulerLimits.specBytesMax / 1024) fit"
        case .queueFull: return "the mesh holds as many unfinished jobs as it can"
        case .neverFits(let asks, let nearest, _):
            return "no member could ever hold a task that asks for \(asks): the nearest is \(nearest)"
        case .gangNeverFits(let asks, let able, let nearest, _):
            return "the mesh could never hold a gang that asks for \(asks): \(able); \(nearest)"
        case .badGang(let what): return "the gang cannot be: \(what)"
        case .gangWithoutNetwork: return "the ranks of a gang meet over the network, and this job is to have none"
        case .jobNotFound(let job): return "no job \(job)"
        case .taskNotFound(let job, let index): return "job \(job) has no task \(index)"
        case .jobEnded(let job, let state): return "job \(job) has ended: \(state.name)"
        case .attemptStale(let key): return "attempt \(key.attempt) of job \(key.job) was superseded"
        case .checkpointNotFound(let job, let number): return "job \(job) has no checkpoint \(number)"
        case .checkpointTaken(let job, let number): return "job \(job) has another checkpoint \(number) already"
        case .treeNotFound(let tree): return "no job uses the working tree \(tree.hex.prefix(12))"
        case .settingUnknown(let key, _): return "there is no setting \(Wording.clipped(key))"
        case .settingKeyRefused(let key): return "\(Wording.clipped(key)) cannot be the key of a setting"
        case .settingValueRefused(let key, let value, _): return "\(key) cannot be '\(Wording.clipped(value))'"
        case .settingTooLarge(let key, let bytes):
            return "the value of \(key) has \(bytes) bytes; at most \(SchedulerLimits.settingValueBytesMax) fit"
        case .tooManySettings:
            return "the mesh keeps \(SchedulerLimits.userSettingsMax) settings of its users already"
        case .guestTokenUsed(let jobs, let uses, let at, _):
            guard uses > 1 else {
                return "this token has started its only job: \(jobs.first.map(String.init) ?? "-"), at \(at)"
            }
            return "this token has started its \(uses) jobs, the last one \(jobs.last ?? 0) at \(at)"
        case .guestTokenExpired(let at): return "this token ran out at \(at)"
        case .tokenIssuerExpired(let name, let at):
            return "\(name), who made this token, could issue tokens until \(at)"
        case .tokenRevoked(let person, let at): return "this token was revoked by \(person) at \(at) UTC"
        case .tooManyGuestJobs(let max):
            return "this token has \(max) unfinished job\(max == 1 ? "" : "s"), as many as one may have"
        case .tokenNotIssued: return "this token was not made through the mesh, which wants that"
        case .badToken: return "the mesh cannot keep such a token or issuer"
        case .tooManyTokens: return "the mesh remembers as many tokens as it can"
        case .notAMember(let node): return "host \(node) is no member of this mesh"
        case .notItsWord(let node): return "host \(node) spoke for another host, or as if it led"
        case .administratorsElsewhere(let node, let role, _):
            return "denied: \(node) joined as a \(role), and administrators act on hosts that may vote"
        case .roleNotStated(let node):
            return "denied: host \(node) did not state under its key who asks for this and as what"
        case .notAnAdministrator(let actor, let node):
            return "denied: \(node) states that \(actor) is no administrator there"
        case .keyReplaced(let name): return "the key of this host was \(name)'s, which has another one now"
        case .rotatedJustNow(let name, let at, _): return "the key of \(name) was rotated at \(at)"
        case .issuerNotFound(let who): return "no key \(who) was added to issue tokens"
        case .badRotation(let what): return "the mesh does not take this key: \(what)"
        case .levelTooOld(let node, let mesh):
            return "this swarmlet speaks the protocol up to level \(node.highest), the mesh is at level \(mesh)"
        case .levelTooNew(let node, let mesh):
            return "this swarmlet speaks the protocol from level \(node.lowest) on, the mesh is at level \(mesh)"
        case .levelNotReached(let needed, let mesh):
            return "this needs level \(needed) of the protocol, the mesh is at level \(mesh)"
        case .unrecognised: return "this command belongs to a newer version of swarmlet"
        }
    }

    /// The way out.
    public var hint: String {
        switch self {
        case .tokenUsed: return "if both are yours, make another: swarmlet invite. If not: swarmlet node revoke NAME"
        case .tokenExpired, .invitationBeforeRecovery: return "on a member, make another: swarmlet invite"
        case .tooManyInvitations: return "wait until some have expired"
        case .tooManyWaiting: return "on a member, see who waits: swarmlet members, then swarmlet approve NAME"
        case .tooManyNodes: return "remove one that is gone for good: swarmlet node remove NAME"
        case .badLabels: return "labels are short words to choose hosts by: swarmlet node labels NODE rack=a"
        case .badNode: return "start the daemon there again with its own data directory"
        case .revoked:
            return
                "if the host is in good hands again: swarmlet leave --forget there, which gives it another key; then "
                + "join by a new invitation"
        case .alreadyFounded: return "to give it up: swarmlet leave --forget"
        case .notFounded: return "start it: swarmlet up"
        case .nobodyWaits: return "a node waits for 10 minutes after: swarmlet join PEER"
        case .ambiguous: return "approve the one whose fingerprint you know: swarmlet approve ID"
        case .nodeNotFound: return "see who is here: swarmlet members"
        case .noCommand: return "say what to run: swarmlet run -- COMMAND"
        case .noTasks: return "ask for at least one: --array 1"
        case .tooManyTasks: return "split it into several jobs"
        case .tooLarge: return "pass large values in a file of the working directory"
        case .queueFull: return "wait for some to end, or cancel some: swarmlet cancel ID"
        case .neverFits(_, _, let wayOut), .gangNeverFits(_, _, _, let wayOut): return wayOut
        case .badGang:
            return
                "ask for at least one node and at most \(GangSpec.ranksMax) tasks in all: --nodes 2 --tasks-per-node 4"
        case .gangWithoutNetwork: return "give it the network of its hosts: --network on"
        case .jobNotFound, .taskNotFound: return "see all jobs: swarmlet ps -a"
        case .jobEnded(let job, _): return "see how it ended: swarmlet inspect \(job)"
        case .attemptStale: return "a newer attempt goes on with the work; nothing is to be done"
        case .checkpointNotFound, .checkpointTaken, .treeNotFound: return "nothing is to be done; the newest ones stay"
        case .settingUnknown(_, let nearest):
            return (nearest.map { "did you mean \($0)? " } ?? "")
                + "What there is: swarmlet config ls. Keys of your own begin with user."
        case .settingKeyRefused:
            return "after user. come letters, digits and . _ - up to \(SchedulerLimits.settingKeyBytesMax) bytes in all"
        case .settingValueRefused(_, _, let form): return "expected \(form)"
        case .settingTooLarge: return "put it in a file, and its path here"
        case .tooManySettings: return "remove some: swarmlet config unset KEY"
        case .guestTokenUsed(let jobs, _, _, let madeBy):
            return
                "the log and files of \(jobs.last.map(String.init) ?? "it") stay yours for a while. For another job ask "
                + madeBy
        case .tooManyGuestJobs:
            return "nothing was started. Wait for one to end, or cancel some: swarmlet ps, then swarmlet cancel ID"
        case .tokenIssuerExpired(let name, _):
            return "ask an administrator of the mesh to add it again: swarmlet token issuer add KEY \(name)"
        case .guestTokenExpired, .tokenRevoked, .tokenNotIssued: return "ask whoever gave it to you for another"
        case .badToken: return "make another: swarmlet token create"
        case .tooManyTokens: return "wait until some have been over for 40 days, or ask for fewer"
        case .notAMember: return "see who is here: swarmlet members"
        case .notItsWord(let node):
            return "its program is broken or not ours. Look at that host; to put it out: swarmlet node revoke \(node)"
        case .administratorsElsewhere(_, _, let others):
            return others.isEmpty ? "do it on a host that may vote" : "do it on \(others.joined(separator: " or "))"
        case .roleNotStated(let node):
            return "nothing was changed. Its program is broken or not ours: look at \(node)"
        case .notAnAdministrator(_, let node):
            return "nothing was changed. Ask an administrator of \(node), or of another host that may vote"
        case .keyReplaced:
            return
                "if this host is another one: swarmlet leave --forget here, which gives it a key of its own; then join"
        case .rotatedJustNow(_, _, let again): return "nothing was changed. Rotate it again after \(again)"
        case .badRotation: return "nothing was changed. See what there is: swarmlet token issuer ls"
        case .issuerNotFound:
            return "see what there is: swarmlet token issuer ls; add one: swarmlet token issuer add KEY NAME"
        case .levelTooOld: return "upgrade swarmlet on that host"
        case .levelTooNew: return "upgrade the members of the mesh first: swarmlet members --json shows their versions"
        case .levelNotReached: return "upgrade swarmlet on every host of the mesh: swarmlet members --json"
        case .unrecognised: return "upgrade this member"
        }
    }

    /// What the command line exits with for a code of this module.
    public static func exitCode(ofCode code: String) -> Int32 {
        switch code {
        case "job.never_fits", "job.no_command", "job.no_tasks", "job.too_many_tasks", "job.too_large",
            "job.bad_gang", "job.gang_without_network", "config.unknown_key", "config.bad_key", "config.bad_value",
            "config.too_large", "node.labels.invalid":
            return 2
        case "token.revoked", "token.not_issued", "auth.denied": return 4
        case "job.not_found", "job.task_not_found", "node.not_found", "mesh.approve.not_found",
            "token.issuer_not_found":
            return 3
        default: return 125
        }
    }
}
