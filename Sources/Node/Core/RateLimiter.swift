import Codec

/// How much each of many may do in a second: a bucket a name, which fills evenly up to its burst.
///
/// A bucket is one time, at which it will be full. One that is full is the same as none, so names that are idle cost
/// nothing. Where too many are not full, those that are nearest to it are let go, a quarter at once: they lose the least
/// of what they have to wait for.
struct RateLimiter: Sendable {
    /// What there is for each name.
    struct Rate: Hashable, Sendable {
        let perSecond: Int64
        /// How much a full bucket holds.
        let burst: Int64
    }

    let rate: Rate
    /// Names that are remembered at once.
    let namesMax: Int
    private var fullAt: [String: Instant] = [:]

    /// More at once is counted as so much, which nothing here comes near to.
    private static let amountMax: Int64 = 1 << 33

    init(_ rate: Rate, namesMax: Int) {
        precondition(rate.perSecond > 0 && rate.burst > 0 && rate.burst <= RateLimiter.amountMax && namesMax > 3)
        self.rate = rate
        self.namesMax = namesMax
    }

    /// Names that are not idle, or have not been looked at since.
    var count: Int { fullAt.count }

    /// How long it takes until there is so much for this name; zero where there is now.
    func delay(before amount: Int64, of name: String, at now: Instant) -> Interval {
        let after = max(fullAt[name] ?? now, now) + time(for: amount)
        return max(.zero, after - now - time(for: rate.burst))
    }

    /// Takes so much, whether it is there or not.
    ///
    /// - Returns: how long whoever took it has to stand still, so that it was there after all.
    @discardableResult
    mutating func take(_ amount: Int64, of name: String, at now: Instant) -> Interval {
        let delay = delay(before: amount, of: name, at: now)
        let before = max(fullAt[name] ?? now, now)
        if fullAt[name] == nil, fullAt.count >= namesMax { makeRoom(at: now) }
        fullAt[name] = before + time(for: amount)
        return delay
    }

    private func time(for amount: Int64) -> Interval {
        let amount = min(max(amount, 0), RateLimiter.amountMax)
        return Interval(nanoseconds: amount * 1_000_000_000 / rate.perSecond)
    }

    private mutating func makeRoom(at now: Instant) {
        fullAt = fullAt.filter { $0.value > now }
        guard fullAt.count >= namesMax else { return }
        let nearest = fullAt.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        for (name, _) in nearest.prefix(namesMax / 4) { fullAt[name] = nil }
    }
}
