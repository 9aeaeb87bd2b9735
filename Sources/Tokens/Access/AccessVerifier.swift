import Codec

/// Whether a token allows what is asked with it: one pure function, in fifteen steps that are always taken in the same
/// order (`AccessStep`). Time, issuers, revocations and what is remembered come in as values.
///
/// It decides up to the freshness of the view; that a use is spent, and that the event is written, is for the log to do,
/// by the entry that has the effect (steps 14 and 15). Whoever executes something verifies again for itself: the leader
/// is trusted for order only.
public enum AccessVerifier {
    /// What somebody shows.
    public struct Presentation: Hashable, Sendable {
        public var links: [String]
        public var proof: AccessProof
        /// What the proof has to be about.
        public var about: AccessProof.About

        public init(links: [String], proof: AccessProof, about: AccessProof.About) {
            self.links = links
            self.proof = proof
            self.about = about
        }
    }

    /// What is so where and when it is looked at.
    public struct Situation: Sendable {
        /// Seconds since the Unix epoch; never less than before.
        public var now: Int64
        /// When it was asked, in seconds since the Unix epoch: as of then a token has to be good. `now`, or the time of
        /// the entry for whoever executes it later.
        public var asked: Int64
        /// The id of the mesh's public key.
        public var mesh: KeyID
        /// Who looks at it.
        public var node: KeyID
        /// Seconds since it was last confirmed what is revoked.
        public var viewAge: Int64
        /// What limits are that a token does not name.
        public var policy: AccessLimits
        public var ledger: any AccessLedger

        public init(
            now: Int64, asked: Int64? = nil, mesh: KeyID, node: KeyID, viewAge: Int64, policy: AccessLimits,
            ledger: any AccessLedger
        ) {
            self.now = now
            self.asked = asked ?? now
            self.mesh = mesh
            self.node = node
            self.viewAge = viewAge
            self.policy = policy
            self.ledger = ledger
        }
    }

    /// That it is allowed, if the uses can be spent.
    public struct Decision: Hashable, Sendable {
        public let grant: AccessGrant
        /// What it may take: the least of what the links name, and the policy where they name nothing.
        public let limits: AccessLimits
        /// What the entry that starts a job has to count; empty for everything else.
        public let uses: [AccessUse]
    }

    public static func verify(
        _ presented: Presentation, for request: AccessRequest, in situation: Situation, cache: inout AccessCache
    ) throws(AccessRefusal) -> Decision {
        var step = AccessStep.frame
        do throws(TokenError) {
            let chain = try AccessChain(presented.links)
            let hash = chain.hash
            let grant = try grant(of: chain, hash, request, situation, &cache, &step)
            step = .revoked
            try checkRevocations(of: grant, situation.ledger)
            try checkProof(of: presented, hash, grant, situation, &step)
            step = .authority
            let limits = try authorise(request, grant, situation)
            step = .freshness
            try checkFreshness(of: grant, request, situation)
            return Decision(grant: grant, limits: limits, uses: request.act == .run ? grant.counted : [])
        } catch {
            throw AccessRefusal(step: step, reason: error)
        }
    }

    /// Who asks, by signatures and proof alone: whatever has run out or was revoked since. It allows nothing; whoever has
    /// asked for something before may be told by it what became of that.
    public static func whoAsks(
        _ presented: Presentation, in situation: Situation, cache: inout AccessCache
    ) throws(AccessRefusal) -> AccessGrant {
        var step = AccessStep.frame
        do throws(TokenError) {
            let chain = try AccessChain(presented.links)
            let hash = chain.hash
            let grant = try grant(of: chain, hash, nil, situation, &cache, &step)
            try checkProof(of: presented, hash, grant, situation, &step)
            return grant
        } catch {
            throw AccessRefusal(step: step, reason: error)
        }
    }

    /// Whether what was decided before still holds, for streams that go on: issuer, times, epoch, revocations, authority
    /// and freshness.
    public static func verifyAgain(
        _ grant: AccessGrant, for request: AccessRequest, in situation: Situation
    ) throws(AccessRefusal) {
        var step = AccessStep.frame
        do throws(TokenError) {
            let issuer = try issuer(grant.issuer, request, situation, &step)
            try checkMeaning(of: grant, issuer, request, situation, &step)
            step = .revoked
            try checkRevocations(of: grant, situation.ledger)
            step = .authority
            _ = try authorise(request, grant, situation)
            step = .freshness
            try checkFreshness(of: grant, request, situation)
        } catch {
            throw AccessRefusal(step: step, reason: error)
        }
    }

    // MARK: Steps 2 to 9

    /// - Parameter request: nil where nothing is asked that could be refused for what its issuer says or said.
    private static func grant(
        of chain: AccessChain, _ hash: [UInt8], _ request: AccessRequest?, _ situation: Situation,
        _ cache: inout AccessCache, _ step: inout AccessStep
    ) throws(TokenError) -> AccessGrant {
        if let known = cache[hash] {
            // Exactly these links have passed the steps on their form before.
            let issuer = try issuer(known.issuer, request, situation, &step)
            if let request { try checkMeaning(of: known, issuer, request, situation, &step) }
            return known
        }
        step = .header
        try chain.checkHeaders()
        step = .encoding
        let opened = try chain.opened()
        step = .issuer
        let issuer = try issuer(KeyFooter.decode(opened[0].footer), request, situation, &step)
        step = .signature
        let payload = try AccessGrant.payload(opened[0], signer: (issuer.key, issuer.id), mesh: situation.mesh)
        step = .claims
        var grant = AccessGrant(root: try AccessLink(payload: payload, isRoot: true), text: chain.links[0])
        if let request { try checkMeaning(of: grant, issuer, request, situation, &step) }
        step = .furtherLinks
        try grant.add(opened[...], mesh: situation.mesh)
        // The ends of the other links, told as that of the root is.
        step = .meaning
        if let request { try checkTimes(of: grant, issuer, request, situation.asked) }
        cache.keep(grant, of: hash)
        return grant
    }

    private static func issuer(
        _ id: KeyID, _ request: AccessRequest?, _ situation: Situation, _ step: inout AccessStep
    ) throws(TokenError) -> AccessIssuer {
        step = .issuer
        guard let issuer = situation.ledger.issuer(id), issuer.id == id else {
            throw .malformed("its issuer is not known")
        }
        guard request != nil else { return issuer }
        step = .issuerRevoked
        if let revocation = situation.ledger.revocation(.issuer(id)), revocation.issuedBefore == nil {
            throw .accessRevoked(by: revocation.by, at: revocation.at)
        }
        return issuer
    }

    private static func checkMeaning(
        of grant: AccessGrant, _ issuer: AccessIssuer, _ request: AccessRequest, _ situation: Situation,
        _ step: inout AccessStep
    ) throws(TokenError) {
        step = .meaning
        try checkRoot(of: grant, issuer, situation)
        try checkTimes(of: grant, issuer, request, situation.asked)
    }

    private static func checkRoot(
        of grant: AccessGrant, _ issuer: AccessIssuer, _ situation: Situation
    ) throws(TokenError) {
        let link = grant.links[0]
        guard link.issuer == issuer.id else { throw .malformed("it names another issuer") }
        guard grant.root.audiences.contains(where: { $0 == situation.mesh || $0 == situation.node }) else {
            throw .malformed("it is for another mesh or node")
        }
        guard link.expires - link.issuedAt <= issuer.lifetime else {
            throw .malformed("it lives longer than its issuer may let it")
        }
        guard link.acts?.isSubset(of: issuer.acts) == true, link.limits.first(above: issuer.limits) == nil else {
            throw .malformed("it allows more than its issuer may")
        }
        if let replacement = issuer.replacement {
            guard situation.asked <= replacement.until,
                link.issuedAt <= replacement.at + TokenTime.toleranceSeconds
            else { throw .accessKeyReplaced(issuer: issuer.name, at: replacement.at) }
            guard
                !replacement.isRecordedOnly || situation.ledger.hasMade(root: grant.rootDigest, named: grant.names[0])
            else { throw .accessKeyReplaced(issuer: issuer.name, at: replacement.at) }
        }
        guard grant.root.epoch >= situation.ledger.epochMin else {
            throw .accessEpoch
        }
        guard situation.ledger.accepts(root: grant.rootDigest, named: grant.names[0]) else { throw .accessNotIssued }
    }

    /// Step 8, the times. A token is over with its issuer. What it started stays its holder's until some time after: there
    /// neither end counts.
    private static func checkTimes(
        of grant: AccessGrant, _ issuer: AccessIssuer, _ request: AccessRequest, _ asked: Int64
    ) throws(TokenError) {
        let tolerance = TokenTime.toleranceSeconds
        guard asked + tolerance >= grant.root.notBefore else {
            throw .accessNotYet(id: grant.shortID, from: grant.root.notBefore)
        }
        for link in grant.links where link.issuedAt > asked + tolerance {
            throw .accessNotYet(id: grant.shortID, from: link.issuedAt)
        }
        let end = min(grant.expires, issuer.expires ?? .max)
        guard asked > end + tolerance else { return }
        if request.act != .run {
            // Who shows a token before he says for what is told later.
            if request.act == nil, request.job == nil, request.listed == nil { return }
            for job in request.listed ?? [request.job].compactMap({ $0 }) where grant.keeps(job, at: asked) { return }
        }
        guard end == grant.expires else { throw .accessIssuerExpired(name: issuer.name, expired: end) }
        throw .accessExpired(id: grant.shortID, expired: grant.expires)
    }

    // MARK: Steps 10 to 13

    private static func checkProof(
        of presented: Presentation, _ chain: [UInt8], _ grant: AccessGrant, _ situation: Situation,
        _ step: inout AccessStep
    ) throws(TokenError) {
        step = .proof
        try presented.proof.verify(
            presented.about, chain: chain, holder: (grant.holder, grant.holderID), mesh: situation.mesh,
            asked: situation.asked)
    }

    private static func checkRevocations(of grant: AccessGrant, _ ledger: any AccessLedger) throws(TokenError) {
        var subjects: [(AccessSubject, issuedAt: Int64)] = [(.issuer(grant.issuer), grant.links[0].issuedAt)]
        for (link, name) in zip(grant.links, grant.names) {
            subjects.append((.token(name), link.issuedAt))
            subjects.append((.holder(link.holderID), link.issuedAt))
        }
        for (subject, issuedAt) in subjects {
            if let revocation = ledger.revocation(subject), revocation.covers(issuedAt: issuedAt) {
                throw .accessRevoked(by: revocation.by, at: revocation.at)
            }
        }
    }

    private static func authorise(
        _ request: AccessRequest, _ grant: AccessGrant, _ situation: Situation
    ) throws(TokenError) -> AccessLimits {
        var limits = grant.limits
        limits.fill(from: situation.policy)
        if let act = request.act {
            guard grant.acts.contains(act) else { throw .accessDenied(allowed: grant.acts.description) }
        }
        if let job = request.job {
            guard grant.isAbout(job) else { throw .accessScope(.job) }
        } else if let act = request.act, act != .run, act != .status {
            // These are about a job, and without one nothing could be compared.
            throw .accessScope(.job)
        }
        for link in grant.links {
            if request.act == .fetch, link.scope.path != nil {
                guard let path = request.path, link.scope.allows(.path, path) else { throw .accessScope(.path) }
            }
            guard case .node(let name, let labels) = request.place else { continue }
            guard link.scope.allows(.node, name) else { throw .accessScope(.node) }
            guard link.scope.label == nil || labels.contains(where: { link.scope.allows(.label, $0) }) else {
                throw .accessScope(.label)
            }
        }
        try request.asks.check(within: limits)
        return limits
    }

    private static func checkFreshness(
        of grant: AccessGrant, _ request: AccessRequest, _ situation: Situation
    ) throws(TokenError) {
        guard situation.viewAge > AccessConstants.freshnessSeconds else { return }
        let isShort = grant.links[0].expires - grant.links[0].issuedAt <= AccessConstants.offlineLifetimeSeconds
        guard grant.root.isOffline, isShort, request.act?.isReadOnly != false else {
            throw .accessStale(seconds: situation.viewAge)
        }
    }
}

extension AccessGrant {
    /// Whether the job was started with this token or with one that was narrowed from it. What a token that this one was
    /// narrowed from has started is not its own, nor what its siblings have.
    public func started(_ job: AccessRequest.Job) -> Bool {
        job.startedWith.contains(names[names.count - 1])
    }

    /// Whether a job that it started is its holder's still, at that time in seconds since the Unix epoch.
    public func keeps(_ job: AccessRequest.Job, at asked: Int64) -> Bool {
        guard started(job) else { return false }
        guard let ended = job.ended else { return true }
        return asked <= ended + (limits[.keep] ?? AccessConstants.keepSeconds)
    }

    /// Whether it is its own or one that the root names, and none of the other links leaves it out.
    func isAbout(_ job: AccessRequest.Job) -> Bool {
        let root = links[0].scope
        guard started(job) || root.job != nil && root.allows(.job, job.number) else { return false }
        return links.dropFirst().allSatisfy { $0.scope.allows(.job, job.number) }
    }
}
