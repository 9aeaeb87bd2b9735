import Codec

@testable import Tokens

/// What a mesh knows, as a test says it.
struct TestLedger: AccessLedger {
    var issuers: [KeyID: AccessIssuer] = [:]
    var revocations: [AccessSubject: AccessRevocation] = [:]
    var epochMin: Int64 = 0
    /// What the mesh has made; nil: it believes others, too.
    var issued: [String: Digest]?

    func issuer(_ id: KeyID) -> AccessIssuer? { issuers[id] }
    func revocation(_ subject: AccessSubject) -> AccessRevocation? { revocations[subject] }
    func hasMade(root: Digest, named name: String) -> Bool { issued?[name] == root }
    func accepts(root: Digest, named name: String) -> Bool { issued.map { $0[name] == root } ?? true }
}

/// A mesh with one issuer, one holder, and one node that is asked.
struct AccessWorld {
    static let now: Int64 = 1_795_271_400

    let meshKey = testKey(1)
    let issuer = testKey(2)
    let holder = testKey(3)
    let node = testKey(4)
    var ledger = TestLedger()
    var offer: AccessOffer
    var now = AccessWorld.now
    var viewAge: Int64 = 0
    var policy = AccessLimits([.gpu: 0, .memory: 2 << 30, .wall: 3600, .network: 0])

    var mesh: KeyID { meshKey.publicKey.id }

    init() {
        offer = AccessOffer(
            acts: .init([.run, .logs, .fetch, .cancel]), issuedAt: AccessWorld.now - 60,
            expires: AccessWorld.now + 7200,
            root: .init(
                audiences: [meshKey.publicKey.id], notBefore: AccessWorld.now - 60, madeBy: "ana on owl"))
        offer.limits = AccessLimits([
            .gpu: 1, .memory: 32 << 30, .wall: 4 * 3600, .output: 10 << 30, .network: 1, .keep: 86_400,
        ])
        ledger.issuers[issuer.publicKey.id] = AccessIssuer(key: issuer.publicKey, name: "ana on owl")
    }

    func chain() throws -> AccessChain {
        try AccessChain.issue(
            offer, to: holder.publicKey, mesh: mesh, identifier: [UInt8](repeating: 9, count: 16), issuer: issuer)
    }

    func token(addresses: [String] = ["192.168.1.11:7717", "192.168.1.12:7717"]) throws -> AccessToken {
        try AccessToken(
            chain: chain(), issuerKey: issuer.publicKey, holderKey: holder, meshKey: meshKey.publicKey,
            meshName: "lab", addresses: addresses, members: [AccessToken.mark(of: node.publicKey.id)])
    }

    /// A narrower token whose holder is a key of the test.
    func narrowed(_ token: AccessToken, to number: UInt8, _ change: (inout AccessNarrowing) -> Void = { _ in }) throws
        -> AccessToken
    {
        var narrowing = AccessNarrowing(issuedAt: now)
        change(&narrowing)
        let key = testKey(number)
        let narrower = try token.narrowed(
            narrowing, to: key.publicKey, identifier: [UInt8](repeating: number, count: 16))
        return try AccessToken(
            chain: narrower.chain, issuerKey: issuer.publicKey, holderKey: key, meshKey: meshKey.publicKey,
            meshName: "lab", addresses: [], members: token.members)
    }

    static let request = Array("the request".utf8)

    func about(
        channel: [UInt8] = [UInt8](repeating: 5, count: 64), operation: String = "submit",
        request: [UInt8] = AccessWorld.request, node: KeyID? = nil
    ) -> AccessProof.About {
        AccessProof.About(
            channel: channel, operation: operation, requestBytes: request, node: node ?? self.node.publicKey.id)
    }

    func situation() -> AccessVerifier.Situation {
        AccessVerifier.Situation(
            now: now, mesh: mesh, node: node.publicKey.id, viewAge: viewAge, policy: policy, ledger: ledger)
    }

    func presentation(_ chain: AccessChain, key: SigningKey? = nil) throws -> AccessVerifier.Presentation {
        let proof = try AccessProof(
            of: chain, about: about(), mesh: mesh, now: now, identifier: [UInt8](repeating: 8, count: 16),
            key: key ?? holder)
        return .init(links: chain.links, proof: proof, about: about())
    }

    func refusal(
        _ presented: AccessVerifier.Presentation, _ request: AccessRequest = AccessRequest(.run)
    ) -> AccessRefusal? {
        var cache = AccessCache()
        do {
            _ = try AccessVerifier.verify(presented, for: request, in: situation(), cache: &cache)
            return nil
        } catch {
            return error
        }
    }

    /// The refusal of a request with the token of `offer`.
    func refusal(_ request: AccessRequest = AccessRequest(.run)) throws -> AccessRefusal? {
        refusal(try presentation(chain()), request)
    }

    func refusal(_ token: AccessToken, _ request: AccessRequest = AccessRequest(.run)) throws -> AccessRefusal? {
        refusal(try presentation(token.chain, key: token.holderKey), request)
    }

    /// A root whose payload is any text, signed as it should be.
    func signed(payload: String) -> String {
        Paseto.sign(
            Array(payload.utf8), footer: KeyFooter.encode(issuer.publicKey.id),
            implicit: AccessLink.implicit(AccessLink.purpose, mesh: mesh), with: issuer)
    }

    /// The payload of the root of `offer`.
    func payload() throws -> String {
        String(decoding: try Paseto.Unverified(chain().links[0]).payload, as: UTF8.self)
    }

    /// The refusal of a root with this payload.
    func refusal(payload: String) throws -> AccessRefusal? {
        refusal(try presentation(AccessChain([signed(payload: payload)])))
    }
}
