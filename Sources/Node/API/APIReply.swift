import Codec
import Mesh
import Scheduler

/// What a daemon answers; docs/node.md says which replies follow which request.
public enum APIReply: Hashable, Sendable {
    case failure(APIFailure)
    case done
    /// The version of the daemon, as `swarmlet version` prints it.
    case version(String)
    case status(StatusView)
    case joining(JoinProgress)
    case invitation(InvitationView)
    case member(MemberView)
    case members(MembersView)
    case submitted(SubmittedView)
    case follow(FollowEvent)
    case log(LogChunk)
    case jobs(JobsView)
    case job(JobDetail)
    /// To a submit: the parts of its tree that this daemon lacks. To a fetch: the tree.
    case transfer(TransferMessage)
    case doctor([CheckView])
    case settings(SettingsView)
    case setting(SettingView)
    case raft(RaftView)
    /// A piece of a file; `done` follows the last.
    case bytes(Bytes)
    /// How far a drain is; `done` follows the last.
    case drain(DrainView)
    case pong(PongView)
    case events(EventsView)
    case doctorReport(DoctorReport)
    case hand(HandOutput)
    case tokens(TokensView)
    case tokenEvents(TokenEventsView)
    case explanation(ExplainView)
    case planned(PlanView)
    case upgrade(UpgradeView)
    case audit(AuditReply)
    case rotated(RotatedView)
}

extension APIReply: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .failure(try APIFailure(cbor: content))
        case 2: self = .done
        case 3: self = .version(try String(cbor: content))
        case 4: self = .status(try StatusView(cbor: content))
        case 5: self = .joining(try JoinProgress(cbor: content))
        case 6: self = .invitation(try InvitationView(cbor: content))
        case 7: self = .member(try MemberView(cbor: content))
        case 8: self = .members(try MembersView(cbor: content))
        case 10: self = .submitted(try SubmittedView(cbor: content))
        case 11: self = .follow(try FollowEvent(cbor: content))
        case 12: self = .log(try LogChunk(cbor: content))
        case 13: self = .jobs(try JobsView(cbor: content))
        case 14: self = .job(try JobDetail(cbor: content))
        case 15: self = .transfer(try TransferMessage(cbor: content))
        case 17: self = .doctor(try [CheckView](cbor: content))
        case 18: self = .settings(try SettingsView(cbor: content))
        case 19: self = .setting(try SettingView(cbor: content))
        case 20: self = .raft(try RaftView(cbor: content))
        case 21: self = .bytes(try Bytes(cbor: content))
        case 22: self = .drain(try DrainView(cbor: content))
        case 23: self = .pong(try PongView(cbor: content))
        case 24: self = .events(try EventsView(cbor: content))
        case 25: self = .doctorReport(try DoctorReport(cbor: content))
        case 30: self = .hand(try HandOutput(cbor: content))
        case 31: self = .tokens(try TokensView(cbor: content))
        case 62: self = .tokenEvents(try TokenEventsView(cbor: content))
        case 40: self = .explanation(try ExplainView(cbor: content))
        case 61: self = .planned(try PlanView(cbor: content))
        case 32: self = .upgrade(try UpgradeView(cbor: content))
        case 70: self = .audit(try AuditReply(cbor: content))
        case 75: self = .rotated(try RotatedView(cbor: content))
        default: throw .invalid("reply \(number) is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .failure(let failure): numbered(1, failure.cbor)
        case .done: numbered(2)
        case .version(let version): numbered(3, version.cbor)
        case .status(let view): numbered(4, view.cbor)
        case .joining(let progress): numbered(5, progress.cbor)
        case .invitation(let view): numbered(6, view.cbor)
        case .member(let view): numbered(7, view.cbor)
        case .members(let view): numbered(8, view.cbor)
        case .submitted(let view): numbered(10, view.cbor)
        case .follow(let event): numbered(11, event.cbor)
        case .log(let chunk): numbered(12, chunk.cbor)
        case .jobs(let view): numbered(13, view.cbor)
        case .job(let detail): numbered(14, detail.cbor)
        case .transfer(let message): numbered(15, message.cbor)
        case .doctor(let checks): numbered(17, checks.cbor)
        case .settings(let view): numbered(18, view.cbor)
        case .setting(let view): numbered(19, view.cbor)
        case .raft(let view): numbered(20, view.cbor)
        case .bytes(let bytes): numbered(21, bytes.cbor)
        case .drain(let view): numbered(22, view.cbor)
        case .pong(let view): numbered(23, view.cbor)
        case .events(let view): numbered(24, view.cbor)
        case .doctorReport(let report): numbered(25, report.cbor)
        case .hand(let output): numbered(30, output.cbor)
        case .tokens(let view): numbered(31, view.cbor)
        case .tokenEvents(let view): numbered(62, view.cbor)
        case .explanation(let view): numbered(40, view.cbor)
        case .planned(let view): numbered(61, view.cbor)
        case .upgrade(let view): numbered(32, view.cbor)
        case .audit(let reply): numbered(70, reply.cbor)
        case .rotated(let view): numbered(75, view.cbor)
        }
    }
}
