import Codec
import Testing
import Tokens

@testable import Node

@Suite("What people outside the mesh may ask in a second")
struct GuestRatesTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test("a bucket gives its burst at once, and then so much a second")
    func burst() {
        var limiter = RateLimiter(.init(perSecond: 20, burst: 100), namesMax: 8)
        for _ in 0..<100 {
            #expect(limiter.delay(before: 1, of: "kim", at: start) == .zero)
            limiter.take(1, of: "kim", at: start)
        }
        #expect(limiter.delay(before: 1, of: "kim", at: start) == .milliseconds(50))
        #expect(limiter.delay(before: 1, of: "lee", at: start) == .zero, "somebody else has his own")
        #expect(limiter.delay(before: 1, of: "kim", at: start + .milliseconds(50)) == .zero)
        // However long it stands, it is never fuller than its burst.
        let later = start + .seconds(86_400)
        #expect(limiter.delay(before: 100, of: "kim", at: later) == .zero)
        #expect(limiter.delay(before: 101, of: "kim", at: later) == .milliseconds(50))
    }

    @Test("whoever takes more than there is waits as long as it takes to come, in the order of taking")
    func debt() {
        var limiter = RateLimiter(.init(perSecond: 1_000, burst: 1_000), namesMax: 8)
        #expect(limiter.take(1_000, of: "kim", at: start) == .zero)
        #expect(limiter.take(500, of: "kim", at: start) == .milliseconds(500))
        #expect(limiter.take(500, of: "kim", at: start) == .milliseconds(1_000))
        #expect(limiter.take(500, of: "kim", at: start + .milliseconds(1_500)) == .zero)
    }

    @Test("names are bounded: the idle go first, then those that have the least to wait for")
    func bounded() {
        var limiter = RateLimiter(.init(perSecond: 1, burst: 10), namesMax: 8)
        for name in 0..<8 { limiter.take(Int64(name) + 1, of: "\(name)", at: start) }
        limiter.take(10, of: "new", at: start)
        #expect(limiter.count == 7, "two of eight made room for one")
        #expect(limiter.delay(before: 10, of: "0", at: start) == .zero, "let go")
        #expect(limiter.delay(before: 10, of: "7", at: start) == .seconds(8), "kept")
        for name in 0..<100_000 { limiter.take(1, of: "n\(name)", at: start) }
        #expect(limiter.count <= 8)
        limiter.take(1, of: "later", at: start + .seconds(100))
        #expect(limiter.count <= 8)
    }

    @Test("a call that comes too soon is refused with the time to wait, and counts for nothing")
    func calls() throws {
        var rates = GuestRates()
        for _ in 0..<GuestRates.callsBurst { try rates.call(token: "kim", issuer: "ana", at: start) }
        for _ in 0..<1_000 {
            #expect(throws: TokenError.accessRate(milliseconds: 51)) {
                try rates.call(token: "kim", issuer: "ana", at: start)
            }
        }
        try rates.call(token: "kim", issuer: "ana", at: start + .milliseconds(50))
        let error = TokenError.accessRate(milliseconds: 1_001)
        #expect(error.code == "token.rate" && error.hint.hasSuffix("Try again in 2 s"))
    }

    @Test("many tokens of one issuer get no more than five do, and those of another issuer what is theirs")
    func issuers() throws {
        var rates = GuestRates()
        var answered = 0
        for number in 0..<2_000 {
            do {
                try rates.call(token: "t\(number)", issuer: "thief", at: start)
                answered += 1
            } catch {
                #expect(error.code == "token.rate")
            }
        }
        #expect(answered == Int(GuestRates.callsBurst * GuestRates.issuerFactor))
        try rates.call(token: "kim", issuer: "ana", at: start)
    }

    @Test("bytes beyond the burst make the stream stand still, whatever its direction")
    func bytes() {
        var rates = GuestRates()
        let burst = Int(GuestRates.bytesBurst)
        #expect(rates.message(bytes: burst, token: "kim", issuer: "ana", at: start) == .zero)
        let half = Int(GuestRates.bytesPerSecond / 2)
        #expect(rates.message(bytes: half, token: "kim", issuer: "ana", at: start) == .milliseconds(500))
        #expect(rates.message(bytes: half, token: "lee", issuer: "ana", at: start) == .zero)
    }
}
