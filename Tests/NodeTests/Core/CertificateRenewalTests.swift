import Codec
import Testing
import Tokens

@testable import Node

@Suite struct CertificateRenewalTests {
    static let day: Int64 = 86_400
    static let made: Int64 = 1_795_000_000

    func validity(from day: Int64 = 0, days: Int64) throws -> CertificateValidity {
        let issued = Self.made + day * Self.day
        return try CertificateValidity(issued: issued, expires: issued + days * Self.day)
    }

    func isDue(_ validity: CertificateValidity?, links: Int = 2, after seconds: Int64, level7: Bool = true) -> Bool {
        CertificateRenewal.isDue(
            linkCount: links, validity: validity, replacesEndless: level7, now: Self.made + seconds)
    }

    @Test("a member's certificate is due when a third of its 30 days has passed, the mesh key's after a third of 400")
    func third() throws {
        let member = try validity(days: 30)
        #expect(!isDue(member, after: 10 * Self.day))
        #expect(isDue(member, after: 10 * Self.day + 1))
        let root = try validity(days: 400)
        let third = 400 * Self.day / 3
        #expect(!isDue(root, links: 1, after: third))
        #expect(isDue(root, links: 1, after: third + 1))
        // It stands below one that ends sooner.
        #expect(isDue(try validity(days: 19), after: 0))
        #expect(isDue(member, after: 400 * Self.day))
    }

    @Test("a certificate without an end is due once the whole mesh understands ends")
    func endless() {
        #expect(isDue(nil, after: 0))
        #expect(!isDue(nil, after: 0, level7: false))
    }

    @Test("a clock that is behind by more than a day has nothing renewed")
    func clockBehind() throws {
        let member = try validity(from: 30, days: 30)
        #expect(!isDue(member, after: 29 * Self.day - 1))
        let short = try validity(from: 30, days: 1)
        #expect(isDue(short, after: 29 * Self.day))
        #expect(!isDue(short, after: 29 * Self.day - 1))
    }

    @Test("what is taken ends later by more than a minute, is good now, or stands in for what is over")
    func better() throws {
        func isBetter(_ new: CertificateValidity?, than old: CertificateValidity?, at day: Int64 = 12) -> Bool {
            CertificateRenewal.isBetter(new, than: old, now: Self.made + day * Self.day)
        }
        let old = try validity(days: 30)
        let minute = try CertificateValidity(issued: Self.made, expires: old.expires + 60)
        let more = try CertificateValidity(issued: Self.made, expires: old.expires + 61)
        #expect(isBetter(more, than: old))
        #expect(!isBetter(minute, than: old))
        #expect(!isBetter(old, than: more))
        #expect(isBetter(old, than: nil))
        #expect(!isBetter(nil, than: old))
        // Both are over, or one of them, or one is to come.
        #expect(!isBetter(more, than: old, at: 31))
        #expect(isBetter(try validity(from: 30, days: 2), than: old, at: 31))
        #expect(!isBetter(try validity(from: 14, days: 30), than: old))
        #expect(isBetter(try validity(from: 13, days: 30), than: old))
        #expect(isBetter(old, than: try validity(from: 40, days: 30)))
    }

    @Test("a chain below a mesh key that was replaced is due at once, and gives way to any good one below the new key")
    func formerKey() throws {
        let (young, old) = (try validity(from: 10, days: 30), try validity(from: 0, days: 12))
        let now = Self.made + 10 * Self.day
        for isOfFormerKey in [true, false] {
            #expect(
                CertificateRenewal.isDue(
                    linkCount: 2, validity: young, isOfFormerKey: isOfFormerKey, replacesEndless: true, now: now)
                    == isOfFormerKey)
        }
        #expect(CertificateRenewal.isBetter(old, than: young, isOfFormerKey: (new: false, old: true), now: now))
        #expect(!CertificateRenewal.isBetter(young, than: old, isOfFormerKey: (new: true, old: false), now: now))
        #expect(!CertificateRenewal.isBetter(old, than: young, isOfFormerKey: (new: true, old: true), now: now))
        let over = try validity(from: 0, days: 5)
        #expect(!CertificateRenewal.isBetter(over, than: young, isOfFormerKey: (new: false, old: true), now: now))
    }

    @Test("tries that get nothing are further and further apart, ten minutes at most, until somebody new is there")
    func pauses() {
        var renewal = CertificateRenewal()
        var now = Instant(nanoseconds: 1_000_000_000)
        #expect(renewal.mayTry(at: now))
        for seconds: Int64 in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            renewal.failed(at: now)
            #expect(!renewal.mayTry(at: now + .seconds(seconds) - Interval(nanoseconds: 1)))
            now = now + .seconds(seconds)
            #expect(renewal.mayTry(at: now))
        }
        renewal.failed(at: now)
        renewal.metSomebody()
        #expect(renewal.mayTry(at: now))
        renewal.failed(at: now)
        renewal.succeeded()
        #expect(renewal == CertificateRenewal())
    }
}
