import Codec
import Raft
import Scheduler

/// Why a daemon cannot do what it was asked.
public enum NodeError: Error, Hashable, Sendable {
    case busy
    case notInMesh
    /// `invitation`: the mesh that the invitation is for, where there is one.
    case alreadyInMesh(name: String, nodes: Int, jobs: Int, invitation: String?)
    /// Where an invitation leads lives another mesh now.
    case invitationLeadsElsewhere(address: String, mesh: String)
    case noLeader(seconds: Int)
    /// None of the ports at which gangs meet is free on this node.
    case noPort(node: String)
    /// This node knows no address of its own at which others reach it.
    case noMeetingPoint(node: String)
    /// No host of the gang has this address or name.
    case gangHostUnknown(String, hosts: [String])
    case gangHostAmbiguous(String, numbers: [UInt32])
    /// This attempt of the gang has ended.
    case gangOver(JobID)
    /// At once at the socket of one rank.
    case gangBusy(most: Int)
    case jobNotFound(JobID)
    case taskNotFound(JobID, UInt32)
    case nodeNotFound(String)
    case nothingToFetch(JobID, path: String)
    case noResults(JobID)
    case logLost(JobID, attempt: UInt32, node: String)
    case holderUnreachable(what: String, holders: [String])
    case malformedRequest(String)
    case requestTooLate
    case denied(user: String, what: String)
    /// This is for administrators of the node.
    case notAdministrator(user: String, node: String)
    case dataDirectoryInUse(path: String, process: Int32?)
    case dataDirectoryReadable(path: String, mode: String)
    case dataDirectoryForeign(path: String, owner: UInt32)
    case dataDirectoryDamaged(path: String, reason: String)
    case listenFailed(address: String, reason: String)
    /// This host never had the key of its mesh.
    /// `host` has it, as far as this node knows.
    case noMeshKey(node: String, host: String? = nil)
    /// Keys are locked and unlocked while no daemon uses them.
    case keysInUse(process: Int32?)
    /// There are none in this data directory.
    case keysMissing(path: String)
    /// A key of another mesh than the one this host is in.
    case foreignMeshKey(mesh: String)
    /// It was, and another one has its place.
    case meshKeyReplaced(mesh: String)
    case removed(mesh: String)
    /// Its key was revoked.
    case revoked(mesh: String)
    /// Without this voter the others are no majority.
    case revokeNeedsVoter(String)
    /// Asked about a link, which takes two.
    case isThisNode(String)
    /// A host cannot put itself out.
    case revokeSelf(String)
    /// It is there, so it can leave by itself.
    case removeAlive(String)
    case lastNode(mesh: String)
    /// There is no order to take back.
    case notDrained(String)
    case jobsDoNotEnd
    /// No other node can take the seat of this one among the voters.
    case noSuccessor
    case notVoter(String)
    /// nil: to anybody.
    case transferFailed(String?)
    /// Its daemon holds the data directory that is to be recovered.
    case recoverRunning(process: Int32?)
    /// There is no log to recover from.
    case recoverNothing(path: String)
    /// These voters answer, and with this host (or without) they are a majority of so many.
    case recoverMeshLives(voters: [String], of: Int, withThisHost: Bool)
    /// The mesh was recovered on this node already.
    case recoverElsewhere(node: String)
    /// The names of voters that are to be given up are not those that answer.
    case recoverGivesUpOthers(named: [String], answering: [String])
    /// A file that is no snapshot of a mesh.
    case recoverFile(path: String, reason: String)
    case recoverOtherMesh(file: String, here: String)
    case recoverNotMember(path: String)
    /// The mesh was recovered elsewhere, and this node's log does not count any more.
    case meshRecovered
    case noAdmission(node: String)
    /// The wall clock of this host is so far from the other voters' that it would issue and verify for another time.
    case clockOff(node: String, seconds: Int64)
    /// An invitation shows the certificates of who made it, which end then, in seconds since the Unix epoch.
    case invitationTooLong(until: Int64)
    case approvalExpired
    /// A rotation of this host's key has not ended; the members that have not used the new one.
    case rotationUnderWay(node: String, waitsFor: [String])
    /// It runs nothing and votes for nothing.
    case rotationOfClient(node: String)
    /// Nobody can certify its new key.
    case noCertificate(node: String)
    /// More than one issuer of tokens has this name.
    case issuerAmbiguous(name: String, keys: [String])
    /// The key that signed the invitation has been replaced.
    case invitationKeyReplaced(node: String)
    case userUnknown(String, node: String)
    case rootNotAsked
    /// This host lacks something that the profile needs.
    case profileUnavailable(SandboxProfile, node: String, reason: String)
    /// A device may hold what somebody else left in its memory.
    case deviceNotWiped(UInt32, node: String, reason: String)
    /// The owner of this host wants jobs to be kept apart further.
    case profileTooWeak(SandboxProfile, node: String, least: SandboxProfile)
    /// The owner of this host does not let jobs mount it, or it is not there.
    case mountRefused(String, node: String, reason: String)
    /// It cannot be the root of a job on this host.
    case imageRefused(String, node: String, reason: String)
    /// This host cannot hold a job still without its noticing.
    case noFreezer(String)
    /// A supervisor of an older program runs tasks of this job and would leave out what is asked for.
    case supervisorTooOld(JobID, node: String)
    /// What was asked about the sandbox is no sandbox.
    case sandboxMalformed(String)
    /// A profile with a user of its own, and another user.
    case runAsInProfile(SandboxProfile)
    case checkpointDirectoryRefused(path: String, reason: String)
    /// What is to be run there is no swarmlet that could.
    case programUnfit(node: String, reason: String)
    case programLevels(node: String, program: ProtocolLevels, mesh: UInt64)
    case programInTheWay(node: String, path: String, reason: String)
    /// No word of an administrator's host stands for it.
    case programUnsigned(node: String, reason: String)
    /// What stands for it was said too long ago, or before something else was.
    case programStatementOld(node: String, reason: String)
    case programOlder(node: String, version: String, running: String)
    /// It reads nothing that somebody could give it.
    case noInput(JobID)
    /// What it wrote, or made, is not kept any more.
    case outputGone(JobID, node: String)
    case resultsGone(JobID)
    case stopping
    case meshNotConfirmed
    case settingNotSet(String)
    /// It takes part no longer.
    case failed(String)
    /// The node's log cannot be read or written; it takes part again when that has changed.
    case logFailed(path: String, RaftLogError)
    /// Nobody leads, and this node has lost a part of the log.
    case logDamaged(LogDamage)
    /// Nothing of the mesh is left in the log that is to be recovered.
    case recoverNothingLeft(path: String)
    /// The mesh keeps no log of what happened yet.
    case auditNotYet(level: UInt64)
    /// The copy of that log here cannot be read.
    case auditUnreadable(String)
    /// What a member sent of it does not fit the tree.
    case auditUnproved
    case auditNoJob(JobID)
    case auditNoEvent(UInt64, size: UInt64)
    /// No checkpoint covers it yet.
    case auditNotSigned(UInt64)
    /// The copy here is not what was signed, so nothing is proved by it.
    case auditDamaged(UInt64)
    /// A checkpoint of another log.
    case auditOtherLog(given: String, here: String)
    /// A checkpoint that nobody has signed who is known here.
    case auditUnsigned

    /// Stable name of the case.
    public var code: String {
        switch self {
        case .auditNotYet: "audit.not_yet"
        case .auditUnreadable: "audit.unreadable"
        case .auditUnproved: "audit.unproved"
        case .auditNoJob, .auditNoEvent: "audit.not_found"
        case .auditNotSigned: "audit.not_signed"
        case .auditDamaged: "audit.altered"
        case .auditOtherLog: "audit.other_log"
        case .auditUnsigned: "audit.unsigned"
        case .busy: "node.busy"
        case .notInMesh: "mesh.none"
        case .alreadyInMesh, .invitationLeadsElsewhere: "mesh.join.other_mesh"
        case .noLeader: "mesh.no_leader"
        case .noPort: "job.gang.no_port"
        case .noMeetingPoint: "job.gang.no_address"
        case .gangHostUnknown, .gangHostAmbiguous: "job.gang.host_unknown"
        case .gangOver: "job.gang.over"
        case .gangBusy: "job.gang.busy"
        case .jobNotFound: "job.not_found"
        case .taskNotFound: "job.task_not_found"
        case .nodeNotFound: "node.not_found"
        case .nothingToFetch: "job.file_not_found"
        case .noResults: "job.no_results"
        case .logLost: "job.log_lost"
        case .holderUnreachable: "transfer.no_holder"
        case .malformedRequest: "request.malformed"
        case .requestTooLate: "request.too_late"
        case .denied, .notAdministrator: "auth.denied"
        case .dataDirectoryInUse: "node.data_directory.in_use"
        case .dataDirectoryReadable: "node.data_directory.readable"
        case .dataDirectoryForeign: "node.data_directory.foreign"
        case .dataDirectoryDamaged: "node.data_directory.damaged"
        case .listenFailed: "node.listen"
        case .noMeshKey: "key.not_here"
        case .keysInUse: "key.daemon_runs"
        case .keysMissing: "key.none"
        case .foreignMeshKey: "key.other_mesh"
        case .meshKeyReplaced: "key.replaced"
        case .removed: "mesh.removed"
        case .revoked: "mesh.revoked"
        case .revokeNeedsVoter: "node.revoke.no_majority"
        case .isThisNode: "node.is_this"
        case .revokeSelf: "node.revoke.self"
        case .removeAlive: "node.remove.alive"
        case .lastNode: "mesh.leave.last_node"
        case .notDrained: "node.not_drained"
        case .jobsDoNotEnd: "mesh.leave.jobs"
        case .noSuccessor: "mesh.leave.no_successor"
        case .notVoter: "raft.transfer.no_voter"
        case .transferFailed: "raft.transfer.failed"
        case .recoverRunning: "raft.recover.running"
        case .recoverNothing: "raft.recover.no_log"
        case .recoverMeshLives: "raft.recover.mesh_lives"
        case .recoverElsewhere: "raft.recover.elsewhere"
        case .recoverGivesUpOthers: "raft.recover.give_up"
        case .recoverFile: "raft.recover.file"
        case .recoverOtherMesh: "raft.recover.other_mesh"
        case .recoverNotMember: "raft.recover.not_member"
        case .meshRecovered: "mesh.recovered"
        case .noAdmission: "mesh.join.no_admission"
        case .clockOff: "node.clock_off"
        case .invitationTooLong: "mesh.invite.too_long"
        case .approvalExpired: "mesh.join.not_approved"
        case .rotationUnderWay: "rotate.under_way"
        case .rotationOfClient: "rotate.client"
        case .noCertificate: "rotate.no_certificate"
        case .issuerAmbiguous: "token.issuer_ambiguous"
        case .invitationKeyReplaced: "mesh.join.issuer_key_replaced"
        case .userUnknown: "job.user_unknown"
        case .rootNotAsked: "job.root_not_asked"
        case .profileUnavailable: "host.sandbox.unavailable"
        case .deviceNotWiped: "host.gpu.not_wiped"
        case .runAsInProfile: "job.run_as_in_profile"
        case .profileTooWeak: "host.sandbox.too_weak"
        case .mountRefused: "job.mount"
        case .imageRefused: "job.image"
        case .noFreezer: "host.no_freezer"
        case .supervisorTooOld: "host.supervisor.too_old"
        case .sandboxMalformed: "job.sandbox_malformed"
        case .checkpointDirectoryRefused: "job.checkpoint_directory"
        case .programUnfit: "upgrade.unfit"
        case .programLevels: "upgrade.level"
        case .programInTheWay: "upgrade.not_writable"
        case .programUnsigned: "upgrade.unsigned"
        case .programStatementOld: "upgrade.stale"
        case .programOlder: "upgrade.older"
        case .noInput: "job.no_input"
        case .outputGone: "job.log_gone"
        case .resultsGone: "job.results_gone"
        case .stopping: "daemon.stopping"
        case .meshNotConfirmed: "mesh.join.not_confirmed"
        case .settingNotSet: "config.not_set"
        case .failed: "node.failed"
        case .logFailed: "node.log_failed"
        case .logDamaged: "raft.log.damaged"
        case .recoverNothingLeft: "raft.recover.nothing_left"
        }
    }

    /// What is wrong, as a sentence without its full stop.
    public var message: String {
        switch self {
        case .auditNotYet(let level):
            "the mesh speaks level \(level) of the protocol, and keeps an audit log from level "
                + "\(SchedulerState.auditLevel) on"
        case .auditUnreadable(let reason): "this node's copy of the audit log cannot be read: \(reason)"
        case .auditUnproved: "what it sent does not fit the tree that the mesh has agreed on"
        case .auditNoJob(let job): "the audit log has no job \(job)"
        case .auditNoEvent(let event, let size):
            "the audit log has no event \(event): " + (size == 0 ? "it is empty" : "its last is \(size - 1)")
        case .auditNotSigned(let event): "no checkpoint covers event \(event) of the audit log yet"
        case .auditDamaged(let event):
            "event \(event) cannot be proved from this node's copy of the audit log: it is not what was signed"
        case .auditOtherLog(let given, let here): "the checkpoint is of the log \(given), not of \(here)"
        case .auditUnsigned: "the checkpoint is signed by nobody who is known here"
        case .busy: "this node has \(NodeConstants.proposalsPending) requests waiting for the mesh"
        case .notInMesh: "this node is in no mesh"
        case .alreadyInMesh(let name, let nodes, let jobs, let invitation):
            "this node belongs to mesh \(name) (\(nodes) node\(nodes == 1 ? "" : "s"), "
                + "\(jobs == 0 ? "no" : "\(jobs)") job\(jobs == 1 ? "" : "s")), "
                + (invitation.map { "the invitation is for mesh \($0)" } ?? "and a node is in one mesh only")
        case .invitationLeadsElsewhere(let address, let mesh):
            "the node at \(address) belongs to another mesh than \(mesh), which the invitation is for"
        case .noPort(let node): "every port of \(node) at which a gang could meet is taken"
        case .gangHostUnknown(let host, let hosts):
            "\(host) is no host of this gang: they are \(hosts.joined(separator: ", "))"
        case .gangHostAmbiguous(let host, let numbers):
            "\(host) is each of the hosts \(numbers.map(String.init).joined(separator: ", ")) of this gang"
        case .gangOver(let job): "this attempt of the gang of job \(job) is over"
        case .gangBusy(let most): "this rank has \(most) commands on other hosts under way already"
        case .noMeetingPoint(let node): "\(node) knows no address at which the other nodes of the gang would reach it"
        case .noLeader(let seconds): "the mesh has had no leader for \(seconds) s"
        case .jobNotFound(let job): "there is no job \(job)"
        case .taskNotFound(let job, let task): "job \(job) has no task \(task)"
        case .nodeNotFound(let name): "there is no node \(name)"
        case .nothingToFetch(let job, let path): "job \(job) has no file \(path)"
        case .noResults(let job): "job \(job) has no recorded results"
        case .logLost(let job, let attempt, let node):
            "the output of attempt \(attempt) of job \(job) is on \(node), which does not answer, and nobody has a copy"
        case .holderUnreachable(let what, let holders):
            "\(what) is on \(holders.isEmpty ? "no node" : holders.joined(separator: " and ")), and none of them answers"
        case .malformedRequest(let reason): "the request cannot be read: \(reason)"
        case .requestTooLate: "nothing was asked for 10 s"
        case .notAdministrator(let user, _):
            "denied: \(user) may submit and see jobs (group \(LocalServer.group)); "
                + "this needs group \(LocalServer.administrators)"
        case .denied(let user, let what): "denied: \(user) may not \(what)"
        case .dataDirectoryInUse(let path, let process):
            "\(path) is in use by another daemon" + (process.map { " (process \($0))" } ?? "")
        case .dataDirectoryReadable(let path, let mode): "\(path) can be read by others (mode \(mode))"
        case .dataDirectoryForeign(let path, let owner): "\(path) belongs to user \(owner)"
        case .dataDirectoryDamaged(let path, let reason): "\(path) is damaged: \(reason)"
        case .listenFailed(let address, let reason): "cannot listen on \(address): \(reason)"
        case .noMeshKey(let node, _): "\(node) does not have the key of its mesh"
        case .keysInUse(let process):
            "the daemon of this data directory is running" + (process.map { " (process \($0))" } ?? "")
        case .keysMissing(let path): "\(path) has no keys yet"
        case .foreignMeshKey(let mesh): "this is not the key of mesh \(mesh)"
        case .meshKeyReplaced(let mesh): "this was the key of mesh \(mesh), which has another one now"
        case .removed(let mesh): "this node was removed from mesh \(mesh)"
        case .revoked(let mesh): "this node was put out of mesh \(mesh): its key was revoked"
        case .revokeNeedsVoter(let name): "without \(name) the voters that answer are no majority"
        case .isThisNode(let name): "\(name) is this host"
        case .revokeSelf(let name): "\(name) is this host, which cannot revoke itself"
        case .removeAlive(let name): "\(name) is alive"
        case .lastNode(let mesh): "this is the last node of mesh \(mesh): its key and its history would be deleted"
        case .notDrained(let name): "\(name) is not drained and takes work"
        case .notVoter(let name): "\(name) is no voter"
        case .transferFailed(let name):
            "the leadership was not taken over" + (name.map { " by \($0)" } ?? "") + " in time"
        case .recoverRunning(let process):
            "the daemon of this data directory is running" + (process.map { " (process \($0))" } ?? "")
        case .recoverNothing(let path): "\(path) holds no log of a mesh"
        case .recoverMeshLives(let voters, let count, let withThisHost):
            "the mesh is not lost: \(voters.joined(separator: ", ")) \(voters.count == 1 ? "answers" : "answer"), "
                + "and \(withThisHost ? "with this host that is" : "that is") a majority of its \(count) voters"
        case .recoverElsewhere(let node): "the mesh was recovered already: \(node) lives in a later epoch of it"
        case .recoverGivesUpOthers(let named, let answering):
            "--give-up names \(named.joined(separator: ", ")); what answers and would be given up is "
                + (answering.isEmpty ? "no voter" : answering.joined(separator: ", "))
        case .recoverFile(let path, let reason): "\(path) cannot be restored: \(reason)"
        case .recoverOtherMesh(let file, let here):
            "the snapshot is of mesh \(file), this host belongs to mesh \(here)"
        case .recoverNotMember(let path): "this host was no member when \(path) was written"
        case .meshRecovered: "the mesh was recovered on another node"
        case .noSuccessor: "no other node can take this one's seat among the voters"
        case .jobsDoNotEnd: "the jobs of this host do not end"
        case .noAdmission(let node): "\(node) may not admit nodes"
        case .clockOff(let node, let seconds):
            "the clock of \(node) is \(MeshNode.clockText(seconds)) the mesh, so it issues and verifies nothing"
        case .invitationTooLong(let until):
            "no invitation of this host is good after \(RFC3339.format(until * 1_000_000_000)): its certificates end then"
        case .approvalExpired: "nobody approved this node within 10 minutes"
        case .rotationUnderWay(let node, let members):
            "the last rotation of the key of \(node) has not ended"
                + (members.isEmpty ? "" : "; the old one is all that is known to \(members.joined(separator: ", "))")
        case .rotationOfClient(let node): "\(node) is a client of the mesh, whose key is not rotated"
        case .noCertificate(let node): "no member that may admit hosts can certify a new key of \(node)"
        case .issuerAmbiguous(let name, let keys): "\(keys.count) issuers have the name \(name)"
        case .invitationKeyReplaced(let node): "\(node) made this invitation with a key that has been replaced"
        case .userUnknown(let user, let node): "there is no user \(user) on \(node)"
        case .rootNotAsked: "a job never runs as root unless root asks for it"
        case .profileUnavailable(let profile, let node, let reason):
            "\(node) cannot give the profile \(profile.name): \(reason)"
        case .deviceNotWiped(let index, let node, let reason):
            "GPU \(index) of \(node) was somebody else's, and its memory cannot be wiped: \(reason)"
        case .profileTooWeak(let profile, let node, let least):
            "\(node) takes no job with the profile \(profile.name): its owner wants \(least.name) at least"
        case .imageRefused(let path, let node, let reason):
            "\(path) cannot be the root of a job on \(node): \(reason)"
        case .mountRefused(let path, let node, let reason): "\(path) cannot be mounted on \(node): \(reason)"
        case .supervisorTooOld(let job, let node):
            "on \(node) a supervisor of an older swarmlet runs job \(job), which cannot give this task all that it asks for"
        case .noFreezer(let node): "\(node) has no control group that could hold a job still"
        case .sandboxMalformed(let what): what
        case .runAsInProfile(let profile): "the profile \(profile.name) has a user of its own"
        case .checkpointDirectoryRefused(let path, let reason):
            "checkpoints cannot be kept in \(path): \(reason)"
        case .programUnfit(let node, let reason): "\(node) cannot run it: \(reason)"
        case .programLevels(let node, let program, let mesh):
            "it speaks levels \(program.lowest) to \(program.highest) of the protocol, and \(node)'s mesh is at level \(mesh)"
        case .programInTheWay(let node, let path, let reason): "\(node) cannot replace \(path): \(reason)"
        case .programUnsigned(let node, let reason): "\(node) does not run a program that nobody signed: \(reason)"
        case .programStatementOld(let node, let reason): "\(node) does not run a program at an old word: \(reason)"
        case .programOlder(let node, let version, let running):
            "\(version) is older than what \(node) runs, which is \(running)"
        case .noInput(let job): "job \(job) reads no input"
        case .outputGone(let job, let node): "what job \(job) wrote is not kept any more on \(node)"
        case .resultsGone(let job): "the results of job \(job) are not kept any more"
        case .stopping: "the daemon is stopping"
        case .meshNotConfirmed: "the fingerprint of the mesh was not confirmed"
        case .settingNotSet(let key): "\(key) is not set"
        case .failed(let reason): "this node takes part in its mesh no longer: \(reason)"
        case .logFailed(let path, let error):
            "this node takes no part in its mesh: \(error.message) (\(path)/raft.db)"
        case .logDamaged(let damage): "nobody leads the mesh, and the log here is damaged: \(damage.message)"
        case .recoverNothingLeft(let path): "nothing of the mesh is left in the log of \(path)"
        }
    }

    /// What the command line exits with.
    public var exitCode: Int32 {
        switch self {
        case .auditNoJob, .auditNoEvent, .jobNotFound, .taskNotFound, .nodeNotFound, .nothingToFetch, .noResults,
            .settingNotSet, .outputGone,
            .resultsGone:
            3
        case .denied, .notAdministrator: 4
        default: 125
        }
    }

    var answer: Answer { .refused(code: code, message: message, hint: hint) }
}
