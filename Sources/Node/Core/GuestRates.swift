import Codec
import Tokens

/// What people outside the mesh may ask of one member in a second, by the root of their token and by whoever issued it:
/// a stolen key that issues as many tokens as it likes gets no more than a few tokens do.
struct GuestRates: Sendable {
    static let callsPerSecond: Int64 = 20
    static let callsBurst: Int64 = 100
    static let bytesPerSecond: Int64 = 64 << 20
    static let bytesBurst: Int64 = 64 << 20
    /// An issuer has so many times what a token has.
    static let issuerFactor: Int64 = 5
    /// Tokens and issuers that are remembered while they are not idle.
    private static let namesMax = 4_096

    private var callsOfToken = RateLimiter(
        .init(perSecond: callsPerSecond, burst: callsBurst), namesMax: namesMax)
    private var callsOfIssuer = RateLimiter(
        .init(perSecond: callsPerSecond * issuerFactor, burst: callsBurst * issuerFactor), namesMax: namesMax)
    private var bytesOfToken = RateLimiter(
        .init(perSecond: bytesPerSecond, burst: bytesBurst), namesMax: namesMax)
    private var bytesOfIssuer = RateLimiter(
        .init(perSecond: bytesPerSecond * issuerFactor, burst: bytesBurst * issuerFactor), namesMax: namesMax)

    /// Counts a call.
    ///
    /// - Throws: `accessRate` where it comes too soon; then it counts for nothing.
    mutating func call(token: String, issuer: String, at now: Instant) throws(TokenError) {
        let wait = max(
            callsOfToken.delay(before: 1, of: token, at: now), callsOfIssuer.delay(before: 1, of: issuer, at: now))
        guard wait == .zero else { throw .accessRate(milliseconds: wait.milliseconds + 1) }
        callsOfToken.take(1, of: token, at: now)
        callsOfIssuer.take(1, of: issuer, at: now)
    }

    /// Counts a message that is sent or was received.
    ///
    /// - Returns: how long the stream has to stand still for it.
    mutating func message(bytes: Int, token: String, issuer: String, at now: Instant) -> Interval {
        let amount = Int64(clamping: bytes)
        return max(
            bytesOfToken.take(amount, of: token, at: now), bytesOfIssuer.take(amount, of: issuer, at: now))
    }
}
