import Codec

/// Decides whether a host is closed to jobs because its owner is there, or it is not the hour.
///
/// It closes with the first sign of the owner, and opens when there has been none for as long as the rules say. A daemon
/// that begins takes it that its owner was away before: jobs that outlived the last one are not ended by a restart.
public struct OwnerWatch: Sendable {
    /// The processors are believed to be free when they have been for so long.
    public static let quietLoad = Interval.seconds(60)

    public let policy: OwnerPolicy
    /// Why jobs may not use the host now, for people; nil: they may.
    public private(set) var reason: String?
    private var lastLoad: Instant?

    public init(_ policy: OwnerPolicy) { self.policy = policy }

    public mutating func look(_ signs: OwnerSigns, at now: Instant) {
        var reasons: [String] = []
        if !policy.hours.isEmpty, !policy.hours.contains(where: { $0.contains(minute: signs.minute) }) {
            reasons.append("outside its opening hours")
        }
        for rule in policy.idle {
            switch rule {
            case .input(let quiet):
                if let last = signs.lastInput, now < last + quiet { reasons.append("its owner is there") }
            case .load(let limit):
                if let load = signs.cpuMillis, load > limit { lastLoad = now }
                if let last = lastLoad, now < last + OwnerWatch.quietLoad {
                    reasons.append("its owner needs the processors")
                }
            case .command: break
            }
        }
        if let objection = signs.objection { reasons.append(objection) }
        reason = reasons.first
    }
}
