import Codec
import Scheduler

/// What people are warned of a week before it ends: certificates that nobody renews, and issuers that nobody uses.
enum Endings {
    private static let nanosecondsPerSecond: Int64 = 1_000_000_000
    /// How long before its end, and how long after it.
    static let notice = Interval.seconds(7 * 86_400)

    /// - Parameters:
    ///   - expires: until when outsiders take a member for one, in seconds since the Unix epoch, as it said itself.
    ///   - now: nanoseconds since the Unix epoch.
    static func certificate(of name: String, expires: Int64, now: Int64) -> EndingView? {
        let (ends, isBeyond) = expires.multipliedReportingOverflow(by: nanosecondsPerSecond)
        guard !isBeyond, let time = span(to: ends, now: now) else { return nil }
        let effect = "guests and hosts that join \(ends > now ? "will be" : "are") refused there"
        return EndingView(
            what: "certificate of \(name)", ends: ends, detail: "\(time): \(effect)",
            hint: "start a host that has the mesh key, or bring the key to a member: swarmlet key import file:PATH")
    }

    /// - Parameter isRevoked: whether its tokens are believed no more anyway.
    static func issuer(_ issuer: IssuerRecord, isRevoked: Bool, now: Int64) -> EndingView? {
        guard !isRevoked, issuer.replaced == nil, let ends = issuer.expires, let period = issuer.ttlSeconds else {
            return nil
        }
        // One that lives for a day is no news for all of it.
        let third = Interval.seconds(Int64(clamping: min(period, UInt64(Int32.max)) / 3))
        guard let time = span(to: ends, now: now, notice: min(notice, third)) else { return nil }
        guard now - ends < notice.nanoseconds else { return nil }
        return EndingView(
            what: "issuer \(issuer.name)", ends: ends, detail: "\(time): no job was started with its tokens for long",
            hint: "if it is still needed, add it again: swarmlet token issuer add KEY \(issuer.name)")
    }

    /// `ends in 6d04h` or `ended 2h00m ago`; nil while that is no news.
    private static func span(to end: Int64, now: Int64, notice: Interval = notice) -> String? {
        let (left, isBeyond) = end.subtractingReportingOverflow(now)
        guard !isBeyond, left <= notice.nanoseconds else { return nil }
        let time = Interval(nanoseconds: abs(max(left, -Int64.max)))
        return left > 0 ? "ends in \(TimeSpan.text(time))" : "ended \(TimeSpan.text(time)) ago"
    }
}
