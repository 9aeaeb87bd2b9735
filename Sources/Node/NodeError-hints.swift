extension NodeError {
    /// The way out, as a command or an instruction.
    public var hint: String {
        switch self {
        case .busy: "try again in a moment"
        case .notInMesh: "start one: swarmlet up. Join one: swarmlet join -"
        case .alreadyInMesh(let name, _, _, _): "to give up mesh \(name): swarmlet leave --forget, then join again"
        case .invitationLeadsElsewhere(_, let mesh):
            "make a new invitation on a node of mesh \(mesh): swarmlet invite"
        case .gangHostUnknown: "name one of them, or its number from 0"
        case .gangHostAmbiguous: "name it by its number"
        case .gangOver: "what runs now: swarmlet inspect JOB"
        case .gangBusy: "start fewer at once"
        case .noPort: "see who has ports 21000 to 28999 there: ss -ltn"
        case .noMeetingPoint: "start its daemon with the address that others reach: --listen ADDRESS"
        case .noLeader: "a majority of the voters must be reachable: swarmlet members"
        case .auditNotYet: "it rises when every member runs a program that speaks it: swarmlet upgrade"
        case .auditUnreadable: "make room or mend the disk, then restart the daemon: swarmlet doctor"
        case .auditUnproved, .auditDamaged: "which event is bad, and what to do: swarmlet audit verify, on that node"
        case .auditNoJob: "what there is: swarmlet audit ls. Jobs from before there was such a log are not in it"
        case .auditNoEvent: "what there is: swarmlet audit ls"
        case .auditNotSigned: "the leader signs within seconds: try again, or see swarmlet doctor"
        case .auditOtherLog, .auditUnsigned: "give one that this mesh has signed: swarmlet audit verify --json"
        case .jobNotFound, .taskNotFound: "what there is: swarmlet ps -a"
        case .nodeNotFound: "what there is: swarmlet members"
        case .nothingToFetch(let job, _): "what it left: swarmlet inspect \(job)"
        case .noResults: "name them when you submit: swarmlet run --out PATTERN"
        case .logLost(let job, _, _): "it can be read when the node is back; what it does now: swarmlet inspect \(job)"
        case .holderUnreachable: "it can be had when one of them is back: swarmlet members"
        case .malformedRequest, .requestTooLate: "use the same version of swarmlet on both sides: swarmlet version"
        case .notAdministrator(_, let node):
            "ask an administrator of \(node), or see what you may do: swarmlet config get access"
        case .denied: "ask an administrator of this host"
        case .dataDirectoryInUse: "use that daemon, or another directory: --data-dir DIR"
        case .dataDirectoryReadable(let path, _): "it holds keys: chmod 711 \(path)"
        case .dataDirectoryForeign: "run swarmlet as that user, or use another directory: --data-dir DIR"
        case .dataDirectoryDamaged: "restore it, or move the data directory away and join again: swarmlet join -"
        case .listenFailed: "choose another address or port: --listen ADDRESS:PORT"
        case .keysInUse(let process):
            "stop it first, jobs go on: " + (process.map { "kill \($0)" } ?? "end its process")
        case .keysMissing: "they are made by the first start, and at once locked: swarmlet up --passphrase file:PATH"
        case .noMeshKey(_, let host?): "type it on \(host), or bring a copy here: swarmlet key import file:lab.key"
        case .noMeshKey: "type it where the mesh was founded, or bring a copy here: swarmlet key import file:lab.key"
        case .meshKeyReplaced: "nothing was changed. Where the new one lies: swarmlet key export > lab.key"
        case .foreignMeshKey: "compare its name with what swarmlet key export printed where the mesh was founded"
        case .removed: "to join again: swarmlet leave --forget, then swarmlet join"
        case .revoked: "if that was a mistake: swarmlet leave --forget, then join by a new invitation"
        case .revokeNeedsVoter:
            "bring another voter back, or go on without it: stop a daemon, then there: swarmlet raft recover"
        case .isThisNode: "name another one: swarmlet members. This host alone: swarmlet doctor"
        case .revokeSelf: "type it on another member, or leave: swarmlet leave --forget"
        case .removeAlive(let name): "on \(name): swarmlet leave. If it is in wrong hands: swarmlet node revoke \(name)"
        case .lastNode: "if that is what you want: swarmlet leave --forget"
        case .notDrained: "how its members are: swarmlet members"
        case .notVoter: "who votes: swarmlet raft ls"
        case .transferFailed: "how things are now: swarmlet raft ls"
        case .recoverRunning(let process):
            process.map { "stop it first: kill \($0)" } ?? "stop it first"
        case .recoverNothing: "name the data directory of a node that was in the mesh: --data-dir DIR"
        case .recoverMeshLives(let voters, _, _):
            "start this host again: swarmlet up. To give up what those have and this host lacks: "
                + "swarmlet raft recover --give-up \(voters.joined(separator: ","))"
        case .recoverElsewhere: "nothing is lost here: start this host, and it learns from there: swarmlet up"
        case .recoverGivesUpOthers(_, let answering):
            answering.isEmpty
                ? "leave it out: swarmlet raft recover"
                : "name exactly those: swarmlet raft recover --give-up \(answering.joined(separator: ","))"
        case .recoverFile: "name what this wrote: swarmlet raft snapshot > FILE"
        case .recoverOtherMesh(let file, _): "do it on a host that is a member of mesh \(file)"
        case .recoverNotMember: "do it on a host that was: it needs the keys of a member"
        case .meshRecovered: "nothing is to be done: this node puts its log aside and learns from that node"
        case .noSuccessor:
            "is another one up, and not a worker? swarmlet members. To give up the mesh: swarmlet leave --forget"
        case .jobsDoNotEnd: "what there is: swarmlet ps; try again, or cancel them first"
        case .invitationTooLong: "make one for a shorter time: swarmlet invite --ttl 1d"
        case .clockOff: "on that host: sudo timedatectl set-ntp true. Meanwhile ask another member"
        case .noAdmission: "ask a node that may vote: swarmlet members"
        case .approvalExpired: "try again, and on a member: swarmlet approve NAME"
        case .rotationUnderWay(_, let members):
            members.isEmpty
                ? "wait a moment, then see: swarmlet members"
                : "start them, or remove those that are gone for good: swarmlet node remove NAME"
        case .rotationOfClient: "swarmlet leave --forget gives it another key; then join again"
        case .noCertificate: "nothing was changed. Try again when others are there: swarmlet members"
        case .issuerAmbiguous(_, let keys): "name one by its key: \(keys.joined(separator: ", "))"
        case .invitationKeyReplaced: "on a member, make another: swarmlet invite"
        case .userUnknown: "create the user there, or choose one that is: --run-as USER"
        case .rootNotAsked: "as root: swarmlet run --run-as root"
        case .profileUnavailable:
            "what that host can give: swarmlet doctor, there. Without a sandbox, if you trust the job: --profile none"
        case .deviceNotWiped:
            "NVIDIA's libcuda.so.1 does that: is it there, of the same version as the driver, and what does nvidia-smi say?"
        case .profileTooWeak(_, _, let least):
            "ask for --profile \(least.name); or its owner allows it there: swarmlet up --least-profile none"
        case .imageRefused: "it has to be on that host, and its owner allows it: swarmlet up --allow-mount PATH"
        case .mountRefused: "its owner allows it there: swarmlet up --allow-mount PATH[:rw]"
        case .supervisorTooOld: "when the tasks that run there have ended there will be a new one; or run the job again"
        case .noFreezer: "the jobs of root's daemon can be paused; without root: a service with Delegate=yes"
        case .sandboxMalformed: "see: swarmlet run --help"
        case .runAsInProfile: "leave out --run-as, or ask for --profile standard"
        case .checkpointDirectoryRefused:
            "name one in the working directory (--checkpoint ckpt), or one that the job's user owns on every node"
        case .programUnfit: "nothing was changed. Is it a swarmlet for this kind of host? BINARY version"
        case .programLevels: "nothing was changed. Take a newer one"
        case .programInTheWay(let node, let path, _):
            "nothing was changed. Put the new one there as \(path) yourself, then on \(node): swarmlet upgrade \(path)"
        case .programUnsigned, .programStatementOld:
            "nothing was changed. As an administrator, on a host that may vote, or on that host: swarmlet upgrade BINARY"
        case .programOlder: "nothing was changed. If the older one is meant: swarmlet upgrade --allow-older BINARY"
        case .outputGone, .resultsGone:
            "a host keeps 7 days, and beyond 10 GiB the newest; what is to stay is fetched: swarmlet cp job:ID: DIR"
        case .noInput: "a job that reads is started with: swarmlet run -i -- COMMAND"
        case .stopping: "start it again: swarmlet up"
        case .meshNotConfirmed: "compare it with swarmlet members there, or use an invitation: swarmlet join -"
        case .settingNotSet: "what there is: swarmlet config ls"
        case .failed: "start the daemon again; if that changes nothing, please report it"
        case .logFailed(let path, let error) where error.isDiskFull:
            "free some space on the file system of \(path); this node then goes on by itself"
        case .logFailed(let path, _):
            "look into the kernel's log for errors of the disk of \(path); this node goes on by itself once it works"
        case .logDamaged(let damage): damage.hint
        case .recoverNothingLeft:
            "go on from a copy: swarmlet raft recover --from FILE. To give up the mesh: swarmlet leave --forget"
        }
    }
}
