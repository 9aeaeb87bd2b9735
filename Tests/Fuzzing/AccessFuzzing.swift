import Codec

@testable import Tokens

/// What guests carry and send.
enum AccessFuzzing {
    private static let meshKey = SigningKey(seed: [UInt8](repeating: 1, count: 32))
    private static let issuer = SigningKey(seed: [UInt8](repeating: 2, count: 32))
    private static let holder = SigningKey(seed: [UInt8](repeating: 3, count: 32))
    private static let now: Int64 = 1_795_271_400

    private struct Ledger: AccessLedger {
        let epochMin: Int64 = 0
        func issuer(_ id: KeyID) -> AccessIssuer? {
            id == AccessFuzzing.issuer.publicKey.id
                ? AccessIssuer(key: AccessFuzzing.issuer.publicKey, name: "ana", acts: .init([.run, .logs])) : nil
        }
        func revocation(_: AccessSubject) -> AccessRevocation? { nil }
        func hasMade(root _: Digest, named _: String) -> Bool { true }
        func accepts(root _: Digest, named _: String) -> Bool { true }
    }

    static func envelope(_ bytes: [UInt8]) -> String? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let token = Fuzzer.taken({ () throws(TokenError) in try AccessToken(text: text) }) else { return nil }
        let again = Fuzzer.taken { () throws(TokenError) in try AccessToken(text: token.text) }
        guard again?.text == token.text, again?.grant == token.grant else {
            return "a token that was taken does not survive being written"
        }
        return bounds(token.grant)
    }

    /// The first byte says what the rest is: links, one a line; the payload of a root; that of a link below one; that of
    /// a proof.
    static func access(_ bytes: [UInt8]) -> String? {
        let rest = Array(bytes.dropFirst())
        let text = String(decoding: rest, as: UTF8.self)
        switch bytes.first {
        case 0: return verified(text.split(separator: "\n").map(String.init))
        case 1: return verified([signed(rest, by: issuer)])
        case 2:
            guard let root = Fuzzer.taken(root),
                let above = Fuzzer.taken({ () throws(TokenError) in try Paseto.Unverified(root) })
            else { return nil }
            // What the link above is called is hard to guess.
            let payload = replaced(rest, AccessChain.hash(of: above.payload))
            return verified([root, signed(payload, by: holder)])
        case 3:
            let token = Paseto.sign(
                rest, footer: KeyFooter.encode(holder.publicKey.id),
                implicit: AccessLink.implicit(AccessProof.purpose, mesh: meshKey.publicKey.id), with: holder)
            return Fuzzer.taken(root).map { verified([$0], proof: token) } ?? nil
        default: return nil
        }
    }

    /// Seeds for `access`.
    static func seeds() throws -> [[UInt8]] {
        let root = try root()
        let token = try AccessToken(
            chain: AccessChain([root]), issuerKey: issuer.publicKey, holderKey: holder, meshKey: meshKey.publicKey,
            meshName: "lab", addresses: ["a:1"], members: [AccessToken.mark(of: issuer.publicKey.id)])
        var narrowing = AccessNarrowing(issuedAt: now)
        narrowing.scope = AccessScope(job: ["17"], path: ["a/**"], node: ["owl"], label: ["a=b"])
        narrowing.limits = AccessLimits([.gpu: 0])
        narrowing.uses = 1
        let links = try token.narrowed(narrowing, to: holder.publicKey, identifier: [UInt8](repeating: 4, count: 16))
            .chain.links
        let proof = try AccessProof(
            of: AccessChain([root]), about: about, mesh: meshKey.publicKey.id, now: now,
            identifier: [UInt8](repeating: 5, count: 16), key: holder)
        return [
            [0] + Array(links.joined(separator: "\n").utf8), [1] + (try Paseto.Unverified(root).payload),
            [2] + (try Paseto.Unverified(links[1]).payload), [3] + (try Paseto.Unverified(proof.token).payload),
        ]
    }

    private static var about: AccessProof.About {
        AccessProof.About(channel: [1], operation: "submit", requestBytes: [2], node: meshKey.publicKey.id)
    }

    private static func root() throws(TokenError) -> String {
        var offer = AccessOffer(
            acts: .init([.run, .logs]), issuedAt: now, expires: now + 60,
            root: .init(audiences: [meshKey.publicKey.id], notBefore: now, madeBy: "ana"))
        offer.limits = AccessLimits([.gpu: 1, .wall: 60])
        return try AccessChain.issue(
            offer, to: holder.publicKey, mesh: meshKey.publicKey.id, identifier: [UInt8](repeating: 6, count: 16),
            issuer: issuer
        ).links[0]
    }

    private static func signed(_ payload: [UInt8], by key: SigningKey) -> String {
        Paseto.sign(
            payload, footer: KeyFooter.encode(key.publicKey.id),
            implicit: AccessLink.implicit(AccessLink.purpose, mesh: meshKey.publicKey.id), with: key)
    }

    /// The payload with the value of its claim `prf` replaced, where it has one.
    private static func replaced(_ payload: [UInt8], _ hash: [UInt8]) -> [UInt8] {
        guard let document = Fuzzer.taken({ () throws(CodecError) in try JSON.parse(payload) }),
            case .object(var members) = document
        else { return payload }
        for index in members.indices where members[index].key == "prf" {
            members[index].value = .string(Base64URL.encode(hash))
        }
        return JSON.object(members).encoded()
    }

    private static func verified(_ links: [String], proof: String? = nil) -> String? {
        var cache = AccessCache()
        let situation = AccessVerifier.Situation(
            now: now, mesh: meshKey.publicKey.id, node: meshKey.publicKey.id, viewAge: 0, policy: AccessLimits(),
            ledger: Ledger())
        let mine = Fuzzer.taken { () throws(TokenError) in
            try AccessProof(of: AccessChain(links), about: about, mesh: meshKey.publicKey.id, now: now, key: holder)
        }
        guard let proof = proof.map({ AccessProof(token: $0) }) ?? mine else { return nil }
        do throws(AccessRefusal) {
            let decision = try AccessVerifier.verify(
                .init(links: links, proof: proof, about: about), for: AccessRequest(.run), in: situation, cache: &cache)
            return bounds(decision.grant)
        } catch {
            // The reader of a payload that was signed by the right key is never told that the signature is wrong.
            return error.step == .use || error.step == .audit ? "a step that is not this function's" : nil
        }
    }

    private static func bounds(_ grant: AccessGrant) -> String? {
        if grant.links.count > AccessConstants.linksMax { return "\(grant.links.count) links" }
        for (above, link) in zip(grant.links, grant.links.dropFirst()) where link.expires > above.expires {
            return "a link that outlives the one above it"
        }
        for link in grant.links {
            if link.limits.named.contains(where: { $0.value < grant.limits[$0.limit] ?? .max }) {
                return "a limit above one of its links"
            }
            if let acts = link.acts, !grant.acts.isSubset(of: acts) { return "acts beyond one of its links" }
        }
        return nil
    }
}
