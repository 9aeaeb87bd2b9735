import Codec

/// A setting that the mesh itself reads, with what it may be.
public enum MeshSetting: String, CaseIterable, Hashable, Sendable {
    case replaceDeadVoterAfter = "autopilot.replace-dead-voter-after"
    case stableAfter = "autopilot.stable-after"
    case voters = "autopilot.voters"
    case jobsKept = "jobs.keep"
    case jobsKeptFor = "jobs.keep-for"
    case noticeInactiveAfter = "members.notice-inactive-after"
    case removeInactiveAfter = "members.remove-inactive-after"
    case tokensIssuedOnly = "tokens.issued-only"
    case tokenJobs = "tokens.jobs"

    /// The name under which it is read and set.
    public var key: String { rawValue }

    /// What holds while nobody has set it.
    public var defaultValue: String {
        switch self {
        case .replaceDeadVoterAfter: "60s"
        case .stableAfter: "3s"
        case .voters: "auto"
        case .jobsKept: "10000"
        case .jobsKeptFor: "7d"
        case .noticeInactiveAfter: "1d"
        case .removeInactiveAfter: "never"
        case .tokensIssuedOnly: "no"
        case .tokenJobs: "\(SchedulerLimits.tokenJobsMax)"
        }
    }

    /// What it is for, as one line.
    public var meaning: String {
        switch self {
        case .replaceDeadVoterAfter: "how long a voter may be dead before another node takes its seat"
        case .stableAfter: "how long a node must have been a member that answers before it may vote"
        case .jobsKept: "how many ended jobs stay in memory; older ones are in the history of each node"
        case .jobsKeptFor: "how long an ended job stays in memory"
        case .voters: "how many voters the mesh wants; auto: 1, 3 or 5, as its nodes allow"
        case .noticeInactiveAfter: "how long a host may be dead before members and doctor point at it"
        case .removeInactiveAfter:
            "how long a host may be dead before the mesh removes it, with all that was meant for it"
        case .tokensIssuedOnly: "whether a token works only if token create made it here: a stolen key then makes none"
        case .tokenJobs: "how many unfinished jobs one token may have"
        }
    }

    /// What its values look like.
    public var form: String {
        switch self {
        case .replaceDeadVoterAfter: "a time from 5s to 30d, such as 60s or 10m"
        case .stableAfter: "a time from 0s to 1d, such as 3s or 2m"
        case .jobsKept: "a number from 10 to 10000"
        case .jobsKeptFor: "a time from 10s to 30d, such as 1h or 7d"
        case .voters: Self.voterChoices.joined(separator: ", ")
        case .noticeInactiveAfter: "a time from 1m to 365d, such as 1d"
        case .removeInactiveAfter: "never, or a time from 10s to 3650d, such as 30d"
        case .tokensIssuedOnly: "yes or no"
        case .tokenJobs: "a number from 1 to 100000"
        }
    }

    /// Whether the text is a value of this setting.
    public func allows(_ value: String) -> Bool {
        switch self {
        case .replaceDeadVoterAfter: Self.time(value, in: .seconds(5)...Interval.seconds(30 * 86_400)) != nil
        case .stableAfter: Self.time(value, in: .zero...Interval.seconds(86_400)) != nil
        case .voters: Self.voterChoices.contains(value)
        case .jobsKept:
            value.utf8.count <= 5 && Int(value).map { (10...SchedulerLimits.endedJobsMax).contains($0) } ?? false
        case .jobsKeptFor: Self.time(value, in: .seconds(10)...Interval.seconds(30 * 86_400)) != nil
        case .noticeInactiveAfter: Self.time(value, in: .seconds(60)...Interval.seconds(365 * 86_400)) != nil
        case .removeInactiveAfter:
            value == "never" || Self.time(value, in: .seconds(10)...Interval.seconds(3_650 * 86_400)) != nil
        case .tokensIssuedOnly: value == "yes" || value == "no"
        case .tokenJobs: value.utf8.count <= 6 && Int(value).map { (1...100_000).contains($0) } ?? false
        }
    }

    /// The level of the mesh from which on it is known to every member.
    var level: UInt64 {
        switch self {
        case .tokensIssuedOnly, .tokenJobs: 6
        default: 1
        }
    }

    private static let voterChoices = ["auto", "1", "3", "5"]

    private static func time(_ text: String, in range: ClosedRange<Interval>) -> Interval? {
        guard text.utf8.count <= 32, let time = TimeSpan.parse(text), range.contains(time) else { return nil }
        return time
    }
}
