import Codec
import Foundation
import Testing

@testable import Tokens

/// The fifteen steps of the verification: each refuses by itself, beside a neighbour that is accepted, and in this order.
@Suite struct AccessStepTests {
    let world = AccessWorld()

    private func replaced(_ text: String, _ old: String, _ new: String) -> String {
        #expect(text.contains(old), "\(old) is not in \(text)")
        return text.replacingOccurrences(of: old, with: new)
    }

    @Test("a token that is good allows what it says, and names what has to be counted")
    func accepted() throws {
        var cache = AccessCache()
        let decision = try AccessVerifier.verify(
            world.presentation(world.chain()), for: AccessRequest(.run, asks: AccessLimits([.gpu: 1])),
            in: world.situation(), cache: &cache)
        #expect(decision.limits[.gpu] == 1 && decision.limits[.memory] == 32 << 30)
        #expect(decision.uses.map(\.uses) == [1] && decision.uses.map(\.name) == decision.grant.names)
        #expect(decision.grant.root.madeBy == "ana on owl")
        #expect(cache.count == 1)
    }

    @Test("step 1: too many links, links that are too long, and links that are no plain text")
    func frame() throws {
        let link = try world.chain().links[0]
        let good = try world.presentation(world.chain())
        for links in [
            [], [String](repeating: link, count: 6), [link + String(repeating: "A", count: 8192)],
            [String](repeating: link + String(repeating: "A", count: 5000), count: 5), [link + "\u{E9}"], [link + " "],
            [link + "\0"],
        ] {
            var presented = good
            presented.links = links
            #expect(world.refusal(presented)?.step == .frame)
        }
    }

    @Test("step 2: every other format, version and purpose")
    func header() throws {
        let link = try world.chain().links[0]
        let body = String(link.dropFirst("v4.public.".count))
        let good = try world.presentation(world.chain())
        for text in [
            "v3.public." + body, "v2.public." + body, "v4.local." + body, "V4.public." + body, "v4.Public." + body,
            "v4.public" + body, link + ".", link + ".AAAA", "v4.public.." + body,
            "v4.public." + String(body.prefix { $0 != "." }), "eyJhbGciOiJub25lIn0.e30.",
            "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
            "x", "swa1.AAAA",
        ] {
            var presented = good
            presented.links = [text]
            let refusal = world.refusal(presented)
            #expect(refusal?.step == .header, "\(text.prefix(30))")
            #expect(refusal?.answer == .accessInvalid)
        }
    }

    @Test("step 3: base64url that says the same in another way, or says nothing")
    func encoding() throws {
        let parts = try world.chain().links[0].split(separator: ".").map(String.init)
        let good = try world.presentation(world.chain())
        for (body, footer) in [
            (parts[2] + "=", parts[3]), (parts[2] + "\n", parts[3]), ("+" + parts[2].dropFirst(), parts[3]),
            (parts[2], parts[3] + "="), (parts[2], ""), ("", parts[3]), ("AAAA", parts[3]),
            (parts[2], String(parts[3].dropLast()) + "*"),
        ] {
            var presented = good
            presented.links = ["v4.public.\(body).\(footer)"]
            let step = world.refusal(presented)?.step
            #expect(step == (body.hasSuffix("\n") ? .frame : .encoding), "\(body.suffix(3)) \(footer.suffix(3))")
        }
    }

    @Test("step 4: an issuer that is not known, and a footer of any other form")
    func issuer() throws {
        var other = world
        other.ledger.issuers = [:]
        #expect(try other.refusal()?.step == .issuer)
        let body = try world.chain().links[0].split(separator: ".").map(String.init)[2]
        let id = world.issuer.publicKey.id.text
        let good = try world.presentation(world.chain())
        for footer in [
            "{}", #"{"kid":"\#(id)","a":1}"#, #"{ "kid":"\#(id)"}"#, #"{"kid":"\#(testKey(9).publicKey.id.text)"}"#,
            #"{"key":"\#(id)"}"#, world.issuer.publicKey.text, #"{"kid":"\#(world.issuer.publicKey.text)"}"#,
            String(repeating: "A", count: 61),
        ] {
            var presented = good
            presented.links = ["v4.public.\(body).\(Base64URL.encode(Array(footer.utf8)))"]
            #expect(world.refusal(presented)?.step == .issuer, "\(footer)")
        }
        // A table that holds another key under the name.
        other.ledger.issuers[world.issuer.publicKey.id] = AccessIssuer(key: testKey(9).publicKey, name: "x")
        #expect(try other.refusal()?.step == .issuer)
    }

    @Test("step 5: an issuer that was revoked, and who asks does not hear which of these it was")
    func issuerRevoked() throws {
        var world = world
        world.ledger.revocations[.issuer(world.issuer.publicKey.id)] = AccessRevocation(by: "root", at: 1)
        let refusal = try #require(try world.refusal())
        #expect(refusal.step == .issuerRevoked && refusal.answer.code == "token.invalid")
    }

    @Test("step 6: a signature of another key, for another mesh, for another purpose")
    func signature() throws {
        let payload = Array(try world.payload().utf8)
        let footer = KeyFooter.encode(world.issuer.publicKey.id)
        let implicit = AccessLink.implicit(AccessLink.purpose, mesh: world.mesh)
        let good = try world.presentation(world.chain())
        for (key, implicit) in [
            (testKey(9), implicit), (world.issuer, []),
            (world.issuer, AccessLink.implicit(AccessLink.purpose, mesh: testKey(9).publicKey.id)),
            (world.issuer, AccessLink.implicit(AccessProof.purpose, mesh: world.mesh)),
            (world.issuer, AccessLink.implicit("swarmlet/access/2", mesh: world.mesh)),
            (world.issuer, JoinToken.purpose), (world.issuer, Array("swarmlet/access/1".utf8)),
        ] {
            var presented = good
            presented.links = [Paseto.sign(payload, footer: footer, implicit: implicit, with: key)]
            let refusal = world.refusal(presented)
            #expect(refusal?.step == .signature && refusal?.answer == .accessInvalid)
        }
        var presented = good
        presented.links = [Paseto.sign(payload, footer: footer, implicit: implicit, with: world.issuer)]
        #expect(world.refusal(presented) == nil)
    }

    @Test("step 7: a payload that two readers could read in two ways, and every claim that is not known")
    func claims() throws {
        let payload = try world.payload()
        #expect(try world.refusal(payload: payload) == nil)
        let many = (0..<65).map { #""k\#($0)":"v""# }.joined(separator: ",")
        for altered in [
            replaced(payload, #""uses":1"#, #""uses":1,"uses":1000"#),
            replaced(payload, #""uses":1"#, #""uses":1000,"\u0075ses":1"#),
            replaced(payload, #""uses":1"#, #""uses":1.0"#), replaced(payload, #""uses":1"#, #""uses":1e0"#),
            replaced(payload, #""uses":1"#, #""uses":-1"#), replaced(payload, #""uses":1"#, #""uses":-0"#),
            replaced(payload, #""uses":1"#, #""uses":9223372036854775808"#),
            replaced(payload, #""uses":1"#, #""uses":"1""#), replaced(payload, #""uses":1"#, #""uses":01"#),
            replaced(payload, #""uses":1"#, #""uses":null"#), replaced(payload, #""uses":1,"#, ""),
            replaced(payload, #""uses":1"#, #""uses":1,"max":1"#),
            replaced(payload, #""uses":1"#, #""uses":1,"prf":"""#),
            replaced(payload, #""gpu":1"#, #""gpu":1,"gpu_mem":5"#), replaced(payload, #""gpu":1"#, #""gpu":-1"#),
            replaced(payload, #""run""#, #""run","admin""#), replaced(payload, #""run""#, #""run","run""#),
            replaced(payload, #""run""#, #""Run""#), replaced(payload, #"{"by":"#, #"{"by\u0000":"#),
            replaced(payload, "ana on owl", "ana\\u001b[2J"), replaced(payload, "ana on owl", "ana\\u202egnp"),
            replaced(payload, "ana on owl", "ana\\ud800"),
            replaced(payload, #""meta":{"by":"ana on owl"}"#, #""meta":{\#(many)}"#),
            replaced(payload, #""meta":{"by":"ana on owl"}"#, #""meta":{"by":[[[["x"]]]]}"#),
            replaced(
                payload, #""meta":{"by":"ana on owl"}"#, #""meta":{"by":"\#(String(repeating: "a", count: 4096))"}"#),
            replaced(payload, #"swarmlet.access.v1"#, "swarmlet.join.v1"),
            replaced(payload, #"swarmlet.access.v1"#, "swarmlet.delegation.v1"),
            replaced(payload, #"Z","ep""#, #".5Z","ep""#), replaced(payload, #"Z","ep""#, #"+00:00","ep""#),
            replaced(payload, #"T"#, "t"), payload + " {}", "[" + payload + "]", "\u{FEFF}" + payload, "", "null",
            String(payload.dropLast()), payload + "\0",
        ] {
            let refusal = try world.refusal(payload: altered)
            #expect(refusal?.step == .claims, "\(altered)")
            #expect(refusal?.reason.code == "tokens.malformed" || refusal?.reason == .keyInvalid)
        }
        // What is not UTF-8 at all, and another encoding of it.
        for bytes in [
            Array(payload.utf8) + [0xC0, 0xAF], Array(payload.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }),
        ] {
            let link = Paseto.sign(
                bytes, footer: KeyFooter.encode(world.issuer.publicKey.id),
                implicit: AccessLink.implicit(AccessLink.purpose, mesh: world.mesh), with: world.issuer)
            #expect(world.refusal(try world.presentation(AccessChain([link])))?.step == .claims)
        }
    }

    @Test("a holder's key of small or mixed order, or under the name of another key, is refused")
    func holderKey() throws {
        let payload = try world.payload()
        let key = world.holder.publicKey
        var mixed = key.bytes
        // The other point of the curve over the same y is the negative; with y negated it is that plus the point of order 2.
        var borrow = 0
        let prime: [Int] = [0xED] + [Int](repeating: 0xFF, count: 30) + [0x7F]
        for index in 0..<32 {
            let byte = index == 31 ? Int(mixed[index] & 0x7F) : Int(mixed[index])
            let difference = prime[index] - byte - borrow
            borrow = difference < 0 ? 1 : 0
            mixed[index] = UInt8((difference + 256) % 256) | (index == 31 ? mixed[31] & 0x80 ^ 0x80 : 0)
        }
        for bytes in [mixed, [UInt8](repeating: 0, count: 32), [1] + [UInt8](repeating: 0, count: 31)] {
            let other = PublicKey(trusted: bytes)
            let altered = replaced(replaced(payload, key.text, other.text), key.id.text, other.id.text)
            #expect(try world.refusal(payload: altered)?.reason == .keyInvalid)
        }
        let named = replaced(payload, key.id.text, testKey(9).publicKey.id.text)
        #expect(try world.refusal(payload: named)?.step == .claims)
    }

    @Test("step 8: a token for others, of another time, or beyond what its issuer may")
    func meaning() throws {
        func step(_ change: (inout AccessWorld) -> Void) throws -> AccessStep? {
            var world = world
            change(&world)
            return try world.refusal()?.step
        }
        #expect(try step { $0.offer.root.audiences = [testKey(9).publicKey.id] } == .meaning)
        #expect(try step { $0.offer.root.audiences = [testKey(9).publicKey.id, $0.node.publicKey.id] } == nil)
        // One second on each side of every time.
        #expect(try step { $0.now = $0.offer.expires + 30 } == nil)
        #expect(try step { $0.now = $0.offer.expires + 31 } == .meaning)
        #expect(try step { $0.now = $0.offer.issuedAt - 30 } == nil)
        #expect(try step { $0.now = $0.offer.issuedAt - 31 } == .meaning)
        #expect(try step { $0.offer.root.notBefore = $0.now + 30 } == nil)
        #expect(try step { $0.offer.root.notBefore = $0.now + 31 } == .meaning)
        #expect(try step { $0.offer.expires = $0.offer.issuedAt + 86_400 } == nil)
        #expect(try step { $0.offer.expires = $0.offer.issuedAt + 86_401 } == .meaning)
        #expect(try step { $0.ledger.epochMin = 1 } == .meaning)
        #expect(
            try step {
                $0.ledger.epochMin = 1
                $0.offer.root.epoch = 1
            } == nil)
        let issuer = world.issuer.publicKey
        #expect(
            try step {
                $0.ledger.issuers[issuer.id] = AccessIssuer(key: issuer, name: "a", acts: .init([.logs]))
            } == .meaning)
        #expect(
            try step {
                $0.ledger.issuers[issuer.id] = AccessIssuer(key: issuer, name: "a", limits: AccessLimits([.gpu: 0]))
            } == .meaning)
        // It is over with its issuer, and says whose end it was.
        let end = AccessIssuer(key: issuer, name: "ci", expires: world.now + 60)
        for (late, code) in [(90, nil), (91, "token.issuer_expired")] as [(Int64, String?)] {
            var other = world
            other.ledger.issuers[issuer.id] = end
            other.now = world.now + late
            #expect(try other.refusal()?.answer.code == code)
            // An end of the token that comes first is told first.
            other.offer.expires = world.now + 60
            #expect(try other.refusal()?.answer.code == code.map { _ in "token.expired" })
        }
        // Signed by the issuer, but said to be by another.
        let altered = replaced(try world.payload(), issuer.id.text, testKey(9).publicKey.id.text)
        #expect(try world.refusal(payload: altered)?.step == .meaning)
    }

    @Test("step 9: links that do not belong below the one above, and who asks does not hear why")
    func furtherLinks() throws {
        let token = try world.token()
        let narrower = try world.narrowed(token, to: 5)
        let narrowest = try world.narrowed(narrower, to: 6)
        #expect(try world.refusal(narrowest) == nil)
        var otherOffer = world
        otherOffer.offer.uses = 2
        let otherToken = try otherOffer.token()
        let root = token.chain.links[0]
        let good = try world.presentation(narrowest.chain, key: narrowest.holderKey)
        for links in [
            // One left out, the order changed, one twice, a loop, below the root of another token.
            [root, narrowest.chain.links[2]], [root, narrowest.chain.links[2], narrower.chain.links[1]],
            [root, narrower.chain.links[1], narrower.chain.links[1]], [root, root],
            [otherToken.chain.links[0], narrower.chain.links[1]],
        ] {
            var presented = good
            presented.links = links
            let refusal = world.refusal(presented)
            #expect(refusal?.step == .furtherLinks && refusal?.answer == .accessInvalid)
        }
    }

    @Test("step 10: a token, a link, a holder, and what an issuer made before a time, once revoked")
    func revoked() throws {
        let narrower = try world.narrowed(world.token(), to: 5)
        var subjects: [AccessSubject] = narrower.grant.names.map { .token($0) }
        subjects += [.holder(world.holder.publicKey.id), .holder(testKey(5).publicKey.id)]
        for subject in subjects {
            var world = world
            world.ledger.revocations[subject] = AccessRevocation(by: "its holder", at: AccessWorld.now)
            let refusal = try world.refusal(narrower)
            #expect(refusal?.step == .revoked && refusal?.answer.code == "token.revoked")
        }
        var world = world
        let issuer = AccessSubject.issuer(world.issuer.publicKey.id)
        world.ledger.revocations[issuer] = AccessRevocation(by: "root", at: 1, issuedBefore: world.offer.issuedAt)
        #expect(try world.refusal() == nil)
        world.ledger.revocations[issuer] = AccessRevocation(by: "root", at: 1, issuedBefore: world.offer.issuedAt + 1)
        #expect(try world.refusal()?.step == .revoked)
        // The bare id of a link is nobody's name for it.
        world.ledger.revocations = [.token(narrower.grant.links[0].identifier): AccessRevocation(by: "x", at: 1)]
        #expect(try world.refusal() == nil)
    }

    @Test("step 11: a proof by another key, of another token, connection, operation, request, node or time")
    func proof() throws {
        let chain = try world.chain()
        let good = try world.presentation(chain)
        func proof(
            _ about: AccessProof.About, of other: AccessChain? = nil, mesh: KeyID? = nil, time: Int64? = nil,
            key: SigningKey? = nil
        ) throws -> AccessStep? {
            var presented = good
            presented.proof = try AccessProof(
                of: other ?? chain, about: about, mesh: mesh ?? world.mesh, now: time ?? world.now,
                key: key ?? world.holder)
            return world.refusal(presented)?.step
        }
        let about = world.about()
        #expect(try proof(about) == nil)
        #expect(try proof(about, key: testKey(9)) == .proof)
        #expect(try proof(about, key: world.issuer) == .proof)
        #expect(try proof(about, of: world.narrowed(world.token(), to: 5).chain) == .proof)
        #expect(try proof(about, mesh: testKey(9).publicKey.id) == .proof)
        #expect(try proof(about, time: world.now - 121) == .proof)
        #expect(try proof(about, time: world.now - 120) == nil)
        #expect(try proof(world.about(channel: [UInt8](repeating: 6, count: 64))) == .proof)
        #expect(try proof(world.about(channel: [])) == .proof)
        #expect(try proof(world.about(operation: "cancel")) == .proof)
        #expect(try proof(world.about(request: [1])) == .proof)
        #expect(try proof(world.about(node: testKey(9).publicKey.id)) == .proof)
        for text in ["", chain.links[0], "v4.public.AAAA", good.proof.token + "A"] {
            var presented = good
            presented.proof = AccessProof(token: text)
            #expect(world.refusal(presented)?.step == .proof)
        }
        // A proof is no token.
        #expect(world.refusal(.init(links: [good.proof.token], proof: good.proof, about: about))?.step == .issuer)
    }

    @Test("step 12: an act, a job or a limit that the links together do not allow")
    func authority() throws {
        let limit = try #require(try world.refusal(AccessRequest(.run, asks: AccessLimits([.gpu: 2]))))
        #expect(limit.step == .authority && limit.answer.code == "token.limit.gpu")
        #expect(limit.answer.message == "the token allows 1 GPU, the job asks for 2")
        #expect(limit.answer.hint == "nothing was sent and the token is not used. Try: --gpus 1")
        // What it does not name is what the mesh lets guests have, not without a bound.
        var policy = world
        policy.offer.limits = AccessLimits()
        #expect(
            try policy.refusal(AccessRequest(.run, asks: AccessLimits([.gpu: 1])))?.answer.code == "token.limit.gpu")
        #expect(try policy.refusal(AccessRequest(.run, asks: AccessLimits([.gpu: 0]))) == nil)
        let denied = try world.refusal(AccessRequest(.status))
        #expect(denied?.answer.code == "auth.denied")
        #expect(denied?.answer.message == "denied: this token allows run, logs, fetch, cancel for its own jobs")
        let names = try world.token().grant.names
        let own = AccessRequest.Job(number: "17", startedWith: names, ended: nil)
        let foreign = AccessRequest.Job(number: "16", startedWith: [], ended: nil)
        let guests = AccessRequest.Job(number: "15", startedWith: ["AAAAAAAAAAAAAAAAAAAAAA"], ended: nil)
        for act in [AccessAct.logs, .fetch, .cancel, nil] {
            #expect(try world.refusal(AccessRequest(act, job: own)) == nil)
            #expect(try world.refusal(AccessRequest(act, job: foreign))?.answer.code == "token.scope.job")
            #expect(try world.refusal(AccessRequest(act, job: guests))?.answer.code == "token.scope.job")
        }
        #expect(try world.refusal(AccessRequest(.logs))?.answer.code == "token.scope.job")
    }

    @Test("step 13: a node that has not heard for long enough what is revoked")
    func freshness() throws {
        var world = world
        world.viewAge = 15
        #expect(try world.refusal() == nil)
        world.viewAge = 16
        #expect(try world.refusal()?.step == .freshness)
        // A short token for reading may ask to be believed nevertheless.
        let own = AccessRequest(.logs, job: .init(number: "17", startedWith: try world.token().grant.names, ended: nil))
        world.offer.root.isOffline = true
        #expect(try world.refusal(own)?.step == .freshness)
        world.offer.expires = world.offer.issuedAt + 60
        #expect(try world.refusal(own) == nil)
        #expect(try world.refusal()?.step == .freshness)
    }

    @Test("of several flaws the first in the order of the steps is the one that counts")
    func order() throws {
        // Each change makes its step refuse; together, from the last step to the first.
        var world = world
        #expect(try world.refusal() == nil)
        world.viewAge = 16
        #expect(try world.refusal()?.step == .freshness)
        let request = AccessRequest(.run, asks: AccessLimits([.gpu: 9]))
        #expect(try world.refusal(request)?.step == .authority)
        var presented = try world.presentation(world.chain(), key: testKey(9))
        #expect(world.refusal(presented, request)?.step == .proof)
        world.ledger.revocations[.holder(world.holder.publicKey.id)] = AccessRevocation(by: "x", at: 1)
        #expect(world.refusal(presented, request)?.step == .revoked)
        presented.links.append(presented.links[0])
        #expect(world.refusal(presented, request)?.step == .furtherLinks)
        world.ledger.epochMin = 1
        #expect(world.refusal(presented, request)?.step == .meaning)
        presented.links[0] = world.signed(payload: "{}")
        #expect(world.refusal(presented, request)?.step == .claims)
        presented.links[0] = Paseto.sign(
            [1], footer: KeyFooter.encode(world.issuer.publicKey.id), implicit: [], with: testKey(9))
        #expect(world.refusal(presented, request)?.step == .signature)
        world.ledger.revocations[.issuer(world.issuer.publicKey.id)] = AccessRevocation(by: "x", at: 1)
        #expect(world.refusal(presented, request)?.step == .issuerRevoked)
        world.ledger.issuers = [:]
        #expect(world.refusal(presented, request)?.step == .issuer)
        presented.links[0] = "v4.public.AAAA=.AAAA"
        #expect(world.refusal(presented, request)?.step == .encoding)
        presented.links[0] = "v3.public.AAAA=.AAAA"
        #expect(world.refusal(presented, request)?.step == .header)
        presented.links[0] = "v3.public.AAAA=.AAAA "
        #expect(world.refusal(presented, request)?.step == .frame)
    }

    @Test(
        "where the mesh wants to have made each token, one that it has not made is refused, new, cached and in mid-stream"
    )
    func notIssued() throws {
        var world = world
        let good = try world.presentation(world.chain())
        var cache = AccessCache()
        let decision = try AccessVerifier.verify(
            good, for: AccessRequest(.run), in: world.situation(), cache: &cache)
        let name = decision.grant.names[0]
        #expect(decision.grant.rootDigest == BLAKE3.hash(Array(good.links[0].utf8)))
        for issued in [[:], [name: BLAKE3.hash([1])], ["other": decision.grant.rootDigest]] {
            world.ledger.issued = issued
            #expect(world.refusal(good)?.answer == .accessNotIssued)
            #expect(throws: AccessRefusal(step: .meaning, reason: .accessNotIssued)) {
                _ = try AccessVerifier.verify(good, for: AccessRequest(.run), in: world.situation(), cache: &cache)
            }
            #expect(throws: AccessRefusal(step: .meaning, reason: .accessNotIssued)) {
                try AccessVerifier.verifyAgain(decision.grant, for: AccessRequest(.run), in: world.situation())
            }
        }
        world.ledger.issued = [name: decision.grant.rootDigest]
        #expect(world.refusal(good) == nil)
    }

    @Test("who asks is known by signatures and proof when the token has ended, and who forges either is nobody")
    func whoAsks() throws {
        var world = world
        let good = try world.presentation(world.chain())
        let issuer = world.issuer.publicKey.id
        world.ledger.revocations[.issuer(issuer)] = AccessRevocation(by: "x", at: 1)
        world.ledger.issued = [:]
        world.ledger.epochMin = 9
        var cache = AccessCache()
        let grant = try AccessVerifier.whoAsks(good, in: world.situation(), cache: &cache)
        #expect(grant.holder == world.holder.publicKey)
        // What is kept of it lets nobody in.
        #expect(throws: AccessRefusal.self) {
            _ = try AccessVerifier.verify(good, for: AccessRequest(.run), in: world.situation(), cache: &cache)
        }
        let thief = try world.presentation(world.chain(), key: testKey(9))
        let refused = #expect(throws: AccessRefusal.self) {
            _ = try AccessVerifier.whoAsks(thief, in: world.situation(), cache: &cache)
        }
        #expect(refused?.step == .proof)
        var forged = good
        forged.links[0] = Paseto.sign([1], footer: KeyFooter.encode(issuer), implicit: [], with: testKey(9))
        #expect(throws: AccessRefusal.self) {
            _ = try AccessVerifier.whoAsks(forged, in: world.situation(), cache: &cache)
        }
        world.ledger.issuers = [:]
        #expect(throws: AccessRefusal.self) {
            _ = try AccessVerifier.whoAsks(good, in: world.situation(), cache: &cache)
        }
    }
}
