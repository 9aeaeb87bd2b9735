import Codec
import Testing

@testable import Tokens

/// What chains allow: narrower with each link, never wider, and what they started stays theirs.
@Suite struct AccessGrantTests {
    let world = AccessWorld()

    @Test("a token can be narrowed four times without a network, and allows what all links allow together")
    func narrowing() throws {
        var token = try world.token()
        token = try world.narrowed(token, to: 5) { $0.acts = .init([.run, .logs, .fetch]) }
        token = try world.narrowed(token, to: 6) { $0.limits = AccessLimits([.gpu: 0, .wall: 3600]) }
        token = try world.narrowed(token, to: 7) { $0.expires = AccessWorld.now + 600 }
        token = try world.narrowed(token, to: 8) { $0.limits = AccessLimits([.wall: 60]) }
        #expect(token.grant.links.count == 5 && token.grant.delegations == 0)
        #expect(token.grant.acts == .init([.run, .logs, .fetch]))
        #expect(token.grant.limits[.gpu] == 0 && token.grant.limits[.wall] == 60)
        #expect(token.grant.limits[.memory] == 32 << 30)
        #expect(token.grant.expires == AccessWorld.now + 600)
        #expect(try world.refusal(token) == nil)
        #expect(try world.refusal(token, AccessRequest(.run, asks: AccessLimits([.gpu: 1])))?.step == .authority)
        #expect(throws: TokenError.accessWider("how often it may be passed on")) { try world.narrowed(token, to: 9) }
        #expect(token.text.utf8.count < 8192)
    }

    @Test("nothing can be widened: refused by who narrows, and by the mesh where somebody forges it")
    func widening() throws {
        var offer = world
        offer.offer.scope = AccessScope(path: ["result/**"])
        offer.offer.acts = .init([.run, .logs])
        offer.offer.delegations = 2
        let token = try offer.token()
        let changes: [(String, (inout AccessNarrowing) -> Void)] = [
            ("act", { $0.acts = .init([.run, .fetch]) }), ("lim", { $0.limits = AccessLimits([.gpu: 2]) }),
            ("res", { $0.scope = AccessScope(path: ["result"]) }),
            ("res", { $0.scope = AccessScope(path: ["result/**", "data/x"]) }),
            ("exp", { $0.expires = AccessWorld.now + 7201 }), ("uses", { $0.uses = 2 }), ("uses", { $0.uses = 0 }),
            ("dlg", { $0.delegations = 2 }),
        ]
        for (name, change) in changes {
            var narrowing = AccessNarrowing(issuedAt: world.now)
            change(&narrowing)
            #expect(throws: TokenError.self, "\(name)") { try token.narrowed(narrowing) }
            // What a holder could sign with a program of his own.
            let above = try Paseto.Unverified(token.chain.links[0])
            let forged = AccessLink(
                place: .below(AccessChain.hash(of: above.payload)), issuer: world.holder.publicKey.id,
                identifier: [UInt8](repeating: 1, count: 16), issuedAt: world.now,
                expires: narrowing.expires ?? token.grant.expires, holder: testKey(5).publicKey, acts: narrowing.acts,
                scope: narrowing.scope, limits: narrowing.limits, uses: narrowing.uses,
                delegations: narrowing.delegations)
            let chain = try AccessChain(
                token.chain.links + [forged.signed(with: world.holder, mesh: world.mesh)])
            let refusal = world.refusal(try world.presentation(chain, key: testKey(5)))
            #expect(refusal?.step == .furtherLinks, "\(name)")
            guard case .accessWider = refusal?.reason else {
                Issue.record("\(name): \(refusal?.reason.message ?? "accepted")")
                continue
            }
        }
    }

    @Test("what a token started is its own and that of those it was narrowed from, not of its siblings")
    func ownership() throws {
        let root = try world.token()
        let ada = try world.narrowed(root, to: 5)
        let bob = try world.narrowed(root, to: 6)
        func sees(_ token: AccessToken, _ owner: AccessToken) throws -> Bool {
            let job = AccessRequest.Job(number: "1", startedWith: owner.grant.names, ended: nil)
            return try world.refusal(token, AccessRequest(.logs, job: job)) == nil
        }
        #expect(try sees(root, root) && sees(root, ada) && sees(ada, ada))
        #expect(try !sees(ada, bob) && !sees(bob, ada) && !sees(ada, root))
    }

    @Test("an id that somebody chose to be that of another's token counts, owns and revokes nothing of it")
    func chosenIdentifiers() throws {
        let victim = try world.token()
        let identifier = [UInt8](repeating: 9, count: 16)
        // Another issuer uses the id of a root; a holder uses it for a link of his own.
        let rogue = try AccessChain.issue(
            world.offer, to: testKey(5).publicKey, mesh: world.mesh, identifier: identifier, issuer: testKey(6))
        let rogueGrant = try rogue.grant(issuer: testKey(6).publicKey, mesh: world.mesh)
        let link = try victim.narrowed(
            AccessNarrowing(issuedAt: world.now), to: testKey(5).publicKey, identifier: identifier)
        #expect(rogueGrant.links[0].identifier == victim.grant.links[0].identifier)
        #expect(link.grant.links[1].identifier == victim.grant.links[0].identifier)
        #expect(Set(rogueGrant.names + link.grant.names).count == 3)
        #expect(link.grant.names[0] == victim.grant.names[0])
    }

    @Test(
        "the log and files of a job stay the holder's until a day after its end, though nothing can be started any more"
    )
    func keep() throws {
        var world = world
        let names = try world.token().grant.names
        world.now = world.offer.expires + 3600
        func code(_ act: AccessAct, ended: Int64?, names: [String]) throws -> String? {
            try world.refusal(AccessRequest(act, job: .init(number: "17", startedWith: names, ended: ended)))?.answer
                .code
        }
        #expect(try world.refusal()?.answer.code == "token.expired")
        #expect(try code(.logs, ended: nil, names: names) == nil)
        #expect(try code(.fetch, ended: world.now - 86_400, names: names) == nil)
        #expect(try code(.fetch, ended: world.now - 86_401, names: names) == "token.expired")
        #expect(try code(.cancel, ended: nil, names: []) == "token.expired")
    }

    @Test("what every holder may see of his jobs ends when their log and files do, each word alike")
    func keepOfLists() throws {
        var world = world
        let names = try world.token().grant.names
        func job(_ ended: Int64?, _ names: [String]) -> AccessRequest.Job {
            .init(number: "17", startedWith: names, ended: ended)
        }
        func code(_ request: AccessRequest) throws -> String? { try world.refusal(request)?.answer.code }
        // While it is good there is nothing to ask about time.
        #expect(try code(AccessRequest(nil, listed: [])) == nil)
        world.now = world.offer.expires + 90_000
        let (old, kept) = (job(world.now - 86_401, names), job(world.now - 86_400, names))
        #expect(try code(AccessRequest(nil, job: kept)) == nil && code(AccessRequest(nil, job: job(nil, names))) == nil)
        #expect(try code(AccessRequest(nil, job: old)) == "token.expired")
        #expect(try code(AccessRequest(nil, listed: [old, kept])) == nil)
        #expect(try code(AccessRequest(nil, listed: [old])) == "token.expired")
        // Somebody else's job keeps nobody's list.
        #expect(try code(AccessRequest(nil, listed: [job(nil, [])])) == "token.expired")
        #expect(try code(AccessRequest(nil, listed: [])) == "token.expired")
    }

    @Test("a token for one job of somebody else is for that job only")
    func namedJobs() throws {
        var world = world
        world.offer.acts = .init([.logs])
        world.offer.scope = AccessScope(job: ["42", "17"])
        let token = try world.token()
        let narrower = try world.narrowed(token, to: 5) { $0.scope = AccessScope(job: ["17"]) }
        func code(_ token: AccessToken, _ number: String) throws -> String? {
            let job = AccessRequest.Job(number: number, startedWith: [], ended: nil)
            return try world.refusal(token, AccessRequest(.logs, job: job))?.answer.code
        }
        #expect(try code(token, "42") == nil && code(token, "17") == nil && code(narrower, "17") == nil)
        #expect(try code(narrower, "42") == "token.scope.job" && code(token, "4") == "token.scope.job")
    }

    @Test("paths are compared component by component, and what is not written canonically matches nothing")
    func paths() throws {
        var world = world
        world.offer.scope = AccessScope(path: ["team/**", "report.pdf"])
        let job = AccessRequest.Job(number: "17", startedWith: try world.token().grant.names, ended: nil)
        func allowed(_ path: String?) throws -> Bool {
            try world.refusal(AccessRequest(.fetch, job: job, path: path)) == nil
        }
        #expect(try allowed("team/a") && allowed("team/a/b") && allowed("report.pdf"))
        for path in [
            "team", "team2/a", "Team/a", "team/../x", "team//a", "team/./a", "team/", "/team/a", "./team/a",
            "report.pdf/x",
            "team/**", "t\u{E9}am/a", "te\u{301}am/a", "%74eam/a", "team%2Fa", "team/a\0", "team/a\n", "", "..",
            "report.pdf ", "report.pdf/", "\u{202E}team/a",
        ] {
            #expect(try !allowed(path), "\(path)")
        }
        #expect(try !allowed(nil))
        for pattern in ["**", "a/**/b", "a*", "*", "../a", "a//b", "/a", "a/", "", "a/***", "a\u{7}"] {
            #expect(!AccessScope.isCanonical(pattern), "\(pattern)")
        }
    }

    @Test("the node and labels that a token is about are looked at by the node that does the work")
    func places() throws {
        var world = world
        world.offer.scope = AccessScope(node: ["owl"], label: ["room=3"])
        func code(_ place: AccessRequest.Place) throws -> String? {
            try world.refusal(AccessRequest(.run, place: place))?.answer.code
        }
        #expect(try code(.open) == nil)
        #expect(try code(.node("owl", labels: ["room=3", "a=b"])) == nil)
        #expect(try code(.node("owl2", labels: ["room=3"])) == "token.scope.node")
        #expect(try code(.node("owl", labels: ["room=33"])) == "token.scope.label")
    }

    @Test("whoever executes a job later verifies it as of when it was asked, and what is revoked as of now")
    func later() throws {
        var world = world
        let presented = try world.presentation(world.chain())
        func refusal() -> AccessRefusal? {
            var situation = world.situation()
            situation.asked = AccessWorld.now
            var cache = AccessCache()
            do {
                _ = try AccessVerifier.verify(presented, for: AccessRequest(.run), in: situation, cache: &cache)
                return nil
            } catch { return error }
        }
        world.now = AccessWorld.now + 5 * 86_400
        #expect(refusal() == nil)
        world.ledger.revocations[.token(try world.token().grant.names[0])] = AccessRevocation(by: "ana", at: world.now)
        #expect(refusal()?.step == .revoked)
    }

    @Test("what was verified before is refused once it is revoked, its issuer is gone or its time is over")
    func cached() throws {
        var world = world
        var cache = AccessCache()
        let names = try world.token().grant.names
        func step() throws -> AccessStep? {
            do {
                _ = try AccessVerifier.verify(
                    world.presentation(world.chain()), for: AccessRequest(.run), in: world.situation(), cache: &cache)
                return nil
            } catch let error as AccessRefusal { return error.step }
        }
        #expect(try step() == nil && cache.count == 1)
        world.ledger.revocations[.token(names[0])] = AccessRevocation(by: "x", at: 1)
        #expect(try step() == .revoked)
        world.ledger.revocations = [.issuer(world.issuer.publicKey.id): AccessRevocation(by: "x", at: 1)]
        #expect(try step() == .issuerRevoked)
        world.ledger.revocations = [:]
        world.ledger.epochMin = 1
        #expect(try step() == .meaning)
        world.ledger.epochMin = 0
        world.now = world.offer.expires + 31
        #expect(try step() == .meaning)
        world.now = AccessWorld.now
        #expect(try step() == nil)
        world.ledger.issuers = [:]
        #expect(try step() == .issuer)
    }

    @Test("a stream that goes on ends when the token is revoked, runs out or nobody can say any more")
    func streams() throws {
        var world = world
        let grant = try world.token().grant
        let request = AccessRequest(.logs, job: .init(number: "17", startedWith: grant.names, ended: world.now))
        func step() -> AccessStep? {
            do {
                try AccessVerifier.verifyAgain(grant, for: request, in: world.situation())
                return nil
            } catch { return error.step }
        }
        #expect(step() == nil)
        world.viewAge = 16
        #expect(step() == .freshness)
        world.viewAge = 0
        world.now += 86_401
        #expect(step() == .meaning)
        world.now = AccessWorld.now
        world.ledger.revocations[.holder(world.holder.publicKey.id)] = AccessRevocation(by: "its holder", at: 1)
        #expect(step() == .revoked)
    }

    @Test("the cache holds no more than its bound, and strangers put nothing into it")
    func cacheBound() throws {
        var world = world
        var cache = AccessCache()
        let grant = try world.token().grant
        for number in 0..<AccessConstants.cachedMax + 10 {
            cache.keep(grant, of: [UInt8(number & 0xFF), UInt8(number >> 8)])
        }
        #expect(cache.count == AccessConstants.cachedMax)
        #expect(cache[[0, 0]] == nil && cache[[9, 16]] != nil)
        var empty = AccessCache()
        world.ledger.issuers = [:]
        let presented = try world.presentation(world.chain())
        #expect(throws: AccessRefusal.self) {
            try AccessVerifier.verify(presented, for: AccessRequest(.run), in: world.situation(), cache: &empty)
        }
        #expect(empty.count == 0)
    }
}
