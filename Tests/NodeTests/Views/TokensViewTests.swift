import Codec
import Scheduler
import Testing

@testable import Node

@Suite("What token ls says is revoked")
struct TokensViewTests {
    private static let second: Int64 = 1_000_000_000

    private func token(
        _ number: Int, issuer: String = "k4.pid.owl", holder: String? = nil, at: Int64 = 1_000, epoch: UInt64 = 0
    )
        -> TokenRecord
    {
        TokenRecord(
            name: "token\(number)", issuer: issuer, madeBy: "ana on owl", uses: 1, issuedAt: (at + 5) * Self.second,
            expires: 9_000 * Self.second, root: .zero,
            signed: TokenRecord.Signed(holder: holder ?? "k4.pid.holder\(number)", at: at, epoch: epoch))
    }

    @Test(
        "of 32,000 tokens just those that were revoked by name, holder, issuer, issuer and time, or epoch, and by whom")
    func large() {
        var tokens: [TokenRecord] = []
        var revocations: [TokenRevocation] = []
        var expected: [String: String?] = [:]
        for number in 0..<32_000 {
            switch number % 8 {
            case 0:
                tokens.append(token(number, epoch: 3))
                revocations.append(TokenRevocation(.token("token\(number)"), by: "name", at: 7))
                expected["token\(number)"] = "name"
            case 1:
                tokens.append(token(number, epoch: 3))
                revocations.append(TokenRevocation(.holder("k4.pid.holder\(number)"), by: "holder", at: 7))
                expected["token\(number)"] = "holder"
            case 2:
                tokens.append(token(number, issuer: "k4.pid.gone", epoch: 3))
                expected["token\(number)"] = "issuer"
            case 3:
                // Issued in the second before the bound, and in that of the bound; the log heard of both after it.
                tokens.append(token(number, issuer: "k4.pid.stolen", at: 1_999, epoch: 3))
                expected["token\(number)"] = "time"
            case 4: tokens.append(token(number, issuer: "k4.pid.stolen", at: 2_000, epoch: 3))
            case 5:
                tokens.append(token(number, epoch: 2))
                expected["token\(number)"] = .some(nil)
            default: tokens.append(token(number, epoch: 3))
            }
        }
        revocations.append(TokenRevocation(.issuer("k4.pid.gone"), by: "issuer", at: 8))
        revocations.append(TokenRevocation(.issuer("k4.pid.stolen"), by: "time", at: 8, issuedBefore: 2_000))
        let view = TokensView(tokens: tokens, revocations: revocations, issuers: [], time: 9, epoch: 3)
        var wrong = 0
        for token in tokens {
            let (isRevoked, by) = (expected.keys.contains(token.name), expected[token.name] ?? nil)
            if view.isRevoked(token) != isRevoked || view.revocation(of: token)?.by != by { wrong += 1 }
        }
        #expect(wrong == 0)
        #expect(tokens.count { view.isRevoked($0) } == 5 * 4_000)
    }

    @Test("a holder's tokens of before a time are revoked, and those of after it are not")
    func holderAndTime() {
        let old = token(1, holder: "k4.pid.ada", at: 1_999)
        let new = token(2, holder: "k4.pid.ada", at: 2_000)
        let view = TokensView(
            tokens: [old, new], revocations: [TokenRevocation(.holder("k4.pid.ada"), by: "sam", issuedBefore: 2_000)],
            issuers: [], time: 9)
        #expect(view.isRevoked(old) && !view.isRevoked(new))
    }

    @Test("of a token from below level 8 what is not known is not said: its name and its issuer count")
    func before() {
        var old = token(1, issuer: "k4.pid.stolen", at: 1_000)
        old.signed = nil
        func view(_ subject: TokenRevocation.Subject, before: Int64? = nil) -> TokensView {
            TokensView(
                tokens: [old], revocations: [TokenRevocation(subject, by: "sam", issuedBefore: before)], issuers: [],
                time: 9, epoch: 9)
        }
        #expect(view(.token("token1")).isRevoked(old))
        #expect(view(.issuer("k4.pid.stolen")).isRevoked(old))
        #expect(view(.issuer("k4.pid.stolen"), before: 1_006).isRevoked(old))
        #expect(!view(.issuer("k4.pid.stolen"), before: 1_005).isRevoked(old))
        #expect(!view(.holder("k4.pid.holder1")).isRevoked(old))
    }
}
