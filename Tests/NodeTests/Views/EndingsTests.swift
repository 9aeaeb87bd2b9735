import Codec
import Scheduler
import Testing

@testable import Node

@Suite("What ends soon")
struct EndingsTests {
    static let second: Int64 = 1_000_000_000
    static let day = 86_400 * second
    static let end: Int64 = 1_795_000_000

    func certificate(at offset: Int64) -> EndingView? {
        Endings.certificate(of: "owl", expires: Self.end, now: Self.end * Self.second + offset)
    }

    func issuer(ttl: Int64, at offset: Int64, isRevoked: Bool = false) -> EndingView? {
        let record = IssuerRecord(
            id: "k4.pid.x", key: Bytes([1]), name: "ci", lifetimeSeconds: 60, by: "ana", ttlSeconds: UInt64(ttl),
            expires: Self.end)
        return Endings.issuer(record, isRevoked: isRevoked, now: Self.end + offset)
    }

    @Test("a certificate is news from seven days before its end on, and stays it")
    func certificates() throws {
        #expect(certificate(at: -7 * Self.day - 1) == nil)
        let soon = try #require(certificate(at: -7 * Self.day))
        #expect(soon.what == "certificate of owl" && soon.ends == Self.end * Self.second)
        #expect(soon.detail == "ends in 7d00h: guests and hosts that join will be refused there")
        #expect(soon.hint.contains("swarmlet key import"))
        let late = try #require(certificate(at: 400 * Self.day))
        #expect(late.detail == "ended 400d00h ago: guests and hosts that join are refused there")
        #expect(Endings.certificate(of: "owl", expires: .max, now: 0) == nil)
    }

    @Test("an issuer is news from seven days before its end to seven after it, or from a third of a short life on")
    func issuers() throws {
        let month: Int64 = 30 * 86_400
        #expect(issuer(ttl: month, at: -7 * Self.day - 1) == nil)
        let soon = try #require(issuer(ttl: month, at: -7 * Self.day))
        #expect(soon.what == "issuer ci" && soon.detail.hasPrefix("ends in 7d00h: "))
        #expect(soon.hint.hasSuffix("swarmlet token issuer add KEY ci"))
        #expect(try #require(issuer(ttl: month, at: Self.day)).detail.hasPrefix("ended 1d00h ago: "))
        #expect(issuer(ttl: month, at: 7 * Self.day - 1) != nil)
        #expect(issuer(ttl: month, at: 7 * Self.day) == nil)
        #expect(issuer(ttl: 3 * 3_600, at: -3_600 * Self.second - 1) == nil)
        #expect(issuer(ttl: 3 * 3_600, at: -3_600 * Self.second) != nil)
    }

    @Test("an issuer without an end, or one that is revoked, is none")
    func others() {
        #expect(issuer(ttl: 86_400, at: 0, isRevoked: true) == nil)
        let old = IssuerRecord(id: "k4.pid.x", key: Bytes([1]), name: "ci", lifetimeSeconds: 60, by: "ana")
        #expect(Endings.issuer(old, isRevoked: false, now: .max) == nil)
    }
}
