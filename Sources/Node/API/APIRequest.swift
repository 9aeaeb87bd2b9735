import Codec
import Mesh
import Scheduler

/// What a caller asks of a daemon: on the local socket (one request after the other) and between members (one a stream).
///
/// On the wire: an array of the request's number and its content. Numbers are never used for something else.
public enum APIRequest: Hashable, Sendable {
    case version
    case status
    case up(UpRequest)
    case join(JoinRequest)
    case members
    case invite(InviteRequest)
    /// Admits the node of this name (or short id) that waits.
    case approve(String)
    case submit(SubmitRequest)
    /// The parts of an offered tree, as the reply asked for them.
    case transfer(TransferMessage)
    case follow(FollowRequest)
    case logs(LogsRequest)
    case jobs(JobsRequest)
    case inspectJob(JobID)
    /// A node by name or short id.
    case inspectNode(String)
    case cancel(CancelRequest)
    /// Waits for the end of each job, in this order.
    case wait([JobID])
    case fetch(FetchRequest)
    case leave(LeaveRequest)
    case doctor
    /// All settings of the mesh.
    case settings
    /// The value of one setting, as of now: linearizable.
    case setting(String)
    case configure(ConfigureRequest)
    case followArray(FollowArrayRequest)
    /// How far each member's copy of the log is.
    case raft(RaftScope)
    /// Hands the leadership to the voter of this name or short id; empty: to the one that is furthest.
    case raftTransfer(String)
    /// The same to the member that leads, by the word of the host at which an administrator asked.
    case raftHandOver(LeadershipRequest)
    /// The replicated state as of now, as the bytes of a file.
    case raftSnapshot
    /// A node takes no new work from here on, or takes it again.
    case drain(DrainRequest)
    /// Puts the node of this name or short id out of the mesh, and its key for ever.
    case revoke(String)
    /// Removes the dead node of this name or short id.
    case remove(String)
    case ping(PingRequest)
    case events(EventsRequest)
    /// The links to the member of this name or short id, in both directions, and what it says of itself.
    case doctorPeer(String)
    /// To a member: what it says of itself, and how it reaches who asks.
    case doctorReport
    /// A job stands still or goes on.
    case pause(PauseRequest)
    /// Answered with the member as it is then.
    case label(LabelRequest)
    /// About tokens for people outside the mesh.
    case token(TokenRequest)
    /// Something beside the command of a job that runs.
    case hand(HandRequest)
    /// To something that was begun so.
    case handInput(HandInput)
    /// Why a job has not begun.
    case explain(JobID)
    /// What a job would come to; nothing is started, and no files are sent. Answered with `planned`.
    case plan(SubmitRequest)
    case upgrade(UpgradeRequest)
    case put(PutRequest)
    /// From a rank of a gang, at its own socket.
    case gang(GangRequest)
    /// About the log of what happened.
    case audit(AuditRequest)
    case rotate(RotateRequest)

    /// Whether the caller has more to send before the answer is complete.
    var isConversation: Bool {
        switch self {
        case .submit, .join, .raftSnapshot, .hand, .upgrade, .put, .gang: true
        default: false
        }
    }

    /// Whether its answer may be a long time coming, and nothing more is asked meanwhile.
    var waitsForEvents: Bool {
        switch self {
        case .follow, .followArray, .logs, .wait, .drain, .ping, .events, .doctorPeer, .token(.watch): true
        default: false
        }
    }
}

extension APIRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .version
        case 2: self = .status
        case 3: self = .up(try UpRequest(cbor: content))
        case 4: self = .join(try JoinRequest(cbor: content))
        case 5: self = .members
        case 6: self = .invite(try InviteRequest(cbor: content))
        case 7: self = .approve(try String(cbor: content))
        case 8: self = .submit(try SubmitRequest(cbor: content))
        case 9: self = .transfer(try TransferMessage(cbor: content))
        case 11: self = .follow(try FollowRequest(cbor: content))
        case 12: self = .logs(try LogsRequest(cbor: content))
        case 13: self = .jobs(try JobsRequest(cbor: content))
        case 14: self = .inspectJob(try UInt64(cbor: content))
        case 15: self = .inspectNode(try String(cbor: content))
        case 16: self = .cancel(try CancelRequest(cbor: content))
        case 17: self = .wait(try [UInt64](cbor: content))
        case 18: self = .fetch(try FetchRequest(cbor: content))
        case 19: self = .leave(try LeaveRequest(cbor: content))
        case 20: self = .doctor
        case 21: self = .settings
        case 22: self = .setting(try String(cbor: content))
        case 23: self = .configure(try ConfigureRequest(cbor: content))
        case 24: self = .followArray(try FollowArrayRequest(cbor: content))
        case 25:
            let number = try UInt64(cbor: content)
            guard let scope = RaftScope(rawValue: number) else {
                throw .invalid("scope \(number) is not known to this version")
            }
            self = .raft(scope)
        case 26: self = .raftTransfer(try String(cbor: content))
        case 77: self = .raftHandOver(try LeadershipRequest(cbor: content))
        case 27: self = .raftSnapshot
        case 28: self = .drain(try DrainRequest(cbor: content))
        case 29: self = .revoke(try String(cbor: content))
        case 30: self = .remove(try String(cbor: content))
        case 31: self = .ping(try PingRequest(cbor: content))
        case 32: self = .events(try EventsRequest(cbor: content))
        case 33: self = .doctorPeer(try String(cbor: content))
        case 34: self = .doctorReport
        case 40: self = .pause(try PauseRequest(cbor: content))
        case 35: self = .label(try LabelRequest(cbor: content))
        case 43: self = .token(try TokenRequest(cbor: content))
        case 41: self = .hand(try HandRequest(cbor: content))
        case 42: self = .handInput(try HandInput(cbor: content))
        case 50: self = .explain(try UInt64(cbor: content))
        case 61: self = .plan(try SubmitRequest(cbor: content))
        case 45: self = .upgrade(try UpgradeRequest(cbor: content))
        case 44: self = .put(try PutRequest(cbor: content))
        case 46: self = .gang(try GangRequest(cbor: content))
        case 70: self = .audit(try AuditRequest(cbor: content))
        case 75: self = .rotate(try RotateRequest(cbor: content))
        default: throw .invalid("request \(number) is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .version: numbered(1)
        case .status: numbered(2)
        case .up(let request): numbered(3, request.cbor)
        case .join(let request): numbered(4, request.cbor)
        case .members: numbered(5)
        case .invite(let request): numbered(6, request.cbor)
        case .approve(let name): numbered(7, name.cbor)
        case .submit(let request): numbered(8, request.cbor)
        case .transfer(let message): numbered(9, message.cbor)
        case .follow(let request): numbered(11, request.cbor)
        case .logs(let request): numbered(12, request.cbor)
        case .jobs(let request): numbered(13, request.cbor)
        case .inspectJob(let job): numbered(14, job.cbor)
        case .inspectNode(let name): numbered(15, name.cbor)
        case .cancel(let request): numbered(16, request.cbor)
        case .wait(let jobs): numbered(17, jobs.cbor)
        case .fetch(let request): numbered(18, request.cbor)
        case .leave(let request): numbered(19, request.cbor)
        case .doctor: numbered(20)
        case .settings: numbered(21)
        case .setting(let key): numbered(22, key.cbor)
        case .configure(let request): numbered(23, request.cbor)
        case .followArray(let request): numbered(24, request.cbor)
        case .raft(let scope): numbered(25, scope.rawValue.cbor)
        case .raftTransfer(let name): numbered(26, name.cbor)
        case .raftHandOver(let request): numbered(77, request.cbor)
        case .raftSnapshot: numbered(27)
        case .drain(let request): numbered(28, request.cbor)
        case .revoke(let name): numbered(29, name.cbor)
        case .remove(let name): numbered(30, name.cbor)
        case .ping(let request): numbered(31, request.cbor)
        case .events(let request): numbered(32, request.cbor)
        case .doctorPeer(let name): numbered(33, name.cbor)
        case .doctorReport: numbered(34)
        case .pause(let request): numbered(40, request.cbor)
        case .label(let request): numbered(35, request.cbor)
        case .token(let request): numbered(43, request.cbor)
        case .hand(let request): numbered(41, request.cbor)
        case .handInput(let input): numbered(42, input.cbor)
        case .explain(let job): numbered(50, job.cbor)
        case .plan(let request): numbered(61, request.cbor)
        case .upgrade(let request): numbered(45, request.cbor)
        case .put(let request): numbered(44, request.cbor)
        case .gang(let request): numbered(46, request.cbor)
        case .audit(let request): numbered(70, request.cbor)
        case .rotate(let request): numbered(75, request.cbor)
        }
    }
}

/// `[number, content]`, the form of every enumeration on the wire.
func numbered(_ number: UInt64, _ content: CBOR = .null) -> CBOR { .array([.unsigned(number), content]) }

func numberedContent(_ cbor: CBOR) throws(CodecError) -> (UInt64, CBOR) {
    guard case .array(let items) = cbor, items.count == 2, case .unsigned(let number) = items[0] else {
        throw .invalid("expected an array of a number and its content")
    }
    return (number, items[1])
}
