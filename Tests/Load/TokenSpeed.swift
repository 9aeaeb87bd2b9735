import Codec
import Glibc
import Tokens

/// How many tokens a core issues and verifies in a second, in memory: what a mesh pays for each request of a guest, without
/// the network and the log.
struct TokenSpeed {
    private struct Ledger: AccessLedger {
        let epochMin: Int64 = 0
        let key: PublicKey
        func issuer(_ id: KeyID) -> AccessIssuer? { id == key.id ? AccessIssuer(key: key, name: "ana on owl") : nil }
        func revocation(_ subject: AccessSubject) -> AccessRevocation? { nil }
        func hasMade(root: Digest, named name: String) -> Bool { true }
        func accepts(root: Digest, named name: String) -> Bool { true }
    }

    private static let now: Int64 = 1_795_271_400
    /// So many different ones take turns that none is in the processor's cache from the time before.
    private static let different = 512
    /// As many as are signed of the root that is issued here, with its footer and what is not sent.
    private static let signedByteCount = 720

    private let mesh = SigningKey.generate()
    private let issuer = SigningKey.generate()
    private let holder = SigningKey.generate()
    private let node = SigningKey.generate().publicKey.id
    private let seconds: Double

    init(seconds: Double) { self.seconds = seconds }

    private var offer: AccessOffer {
        var offer = AccessOffer(
            acts: .init([.run, .logs, .fetch, .cancel]), issuedAt: TokenSpeed.now - 60, expires: TokenSpeed.now + 7200,
            root: .init(audiences: [mesh.publicKey.id], notBefore: TokenSpeed.now - 60, madeBy: "ana on owl"))
        offer.limits = AccessLimits([.gpu: 1, .memory: 32 << 30, .wall: 4 * 3600, .keep: 86_400])
        offer.delegations = 2
        return offer
    }

    private func token() throws(TokenError) -> AccessToken {
        try AccessToken(
            chain: AccessChain.issue(offer, to: holder.publicKey, mesh: mesh.publicKey.id, issuer: issuer),
            issuerKey: issuer.publicKey, holderKey: holder, meshKey: mesh.publicKey, meshName: "lab", addresses: [],
            members: [AccessToken.mark(of: node)])
    }

    /// What is shown with a token of so many links.
    private func presentation(links: Int) throws(TokenError) -> AccessVerifier.Presentation {
        var token = try token()
        for _ in 1..<links { token = try token.narrowed(AccessNarrowing(issuedAt: TokenSpeed.now)) }
        let about = AccessProof.About(
            channel: SecureRandom.bytes(64), operation: "submit", requestBytes: SecureRandom.bytes(200), node: node)
        let proof = try AccessProof(
            of: token.chain, about: about, mesh: mesh.publicKey.id, now: TokenSpeed.now,
            key: token.holderKey ?? holder)
        return AccessVerifier.Presentation(links: token.chain.links, proof: proof, about: about)
    }

    /// Per second of processor time of one thread.
    private func rate(_ body: (Int) throws -> Void) rethrows -> JSON {
        let began = TokenSpeed.processorTime()
        var (count, spent) = (0, 0.0)
        while spent < seconds {
            for _ in 0..<64 {
                try body(count % TokenSpeed.different)
                count += 1
            }
            spent = TokenSpeed.processorTime() - began
        }
        return .number(Double(count) / spent)
    }

    private static func processorTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    func run() throws -> JSON {
        let situation = AccessVerifier.Situation(
            now: TokenSpeed.now, mesh: mesh.publicKey.id, node: node, viewAge: 0,
            policy: AccessLimits([.gpu: 0, .memory: 2 << 30, .wall: 3600, .network: 0]),
            ledger: Ledger(key: issuer.publicKey))
        let request = AccessRequest(.run, asks: AccessLimits([.gpu: 1]))
        func verified(links: Int, isWarm: Bool) throws -> JSON {
            let presented = try (0..<TokenSpeed.different).map { _ in try presentation(links: links) }
            var kept = AccessCache()
            if isWarm {
                for each in presented { _ = try AccessVerifier.verify(each, for: request, in: situation, cache: &kept) }
            }
            return try rate { number in
                var cache = isWarm ? kept : AccessCache()
                _ = try AccessVerifier.verify(presented[number], for: request, in: situation, cache: &cache)
            }
        }
        let offer = offer
        // Different ones here, too: of one and the same the processor would know each branch.
        let messages = (0..<TokenSpeed.different).map { _ in SecureRandom.bytes(TokenSpeed.signedByteCount) }
        let signatures = messages.map { issuer.sign($0) }
        let keys = messages.map { _ in SigningKey.generate().publicKey.bytes }
        return [
            // What libsodium alone does of it: nothing here can be faster.
            "sign": rate { number in _ = issuer.sign(messages[number]) },
            "signature": rate { number in
                precondition(issuer.publicKey.verify(signatures[number], of: messages[number]), "it was made above")
            },
            "point": try rate { number in _ = try PublicKey(bytes: keys[number]) },
            "issue": try rate { _ in
                _ = try AccessChain.issue(offer, to: holder.publicKey, mesh: mesh.publicKey.id, issuer: issuer)
            },
            "cold": try verified(links: 1, isWarm: false),
            "cold_three_links": try verified(links: 3, isWarm: false),
            "warm": try verified(links: 1, isWarm: true),
        ]
    }
}
