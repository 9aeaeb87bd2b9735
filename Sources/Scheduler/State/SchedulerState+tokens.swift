import Codec

/// Who may issue tokens, which of them are believed no more, and what they have started. Whether a token is good is for
/// members to verify before they propose anything; here it is made sure that no use is ever spent twice.
extension SchedulerState {
    public var issuers: [IssuerRecord] { issuerRows.map(\.row) }
    public func issuer(_ id: String) -> IssuerRecord? { issuerRows[id] }
    /// Tokens that were issued here or have started jobs, by their names.
    public var tokens: [TokenRecord] { tokenRows.map(\.row) }
    public func token(_ name: String) -> TokenRecord? { tokenRows[name] }
    public var tokenRevocations: [TokenRevocation] { tokenRevocationRows.map(\.row) }
    public func tokenRevocation(_ subject: TokenRevocation.Subject) -> TokenRevocation? { tokenRevocationRows[subject] }

    mutating func issue(_ token: TokenRecord, _ events: inout [StateEvent]) throws(SchedulerError) {
        guard token.name.utf8.count <= SchedulerLimits.tokenNameBytesMax, token.starts.isEmpty,
            token.signed.map({ $0.holder.utf8.count <= SchedulerLimits.tokenNameBytesMax }) ?? true
        else {
            throw .badToken
        }
        // A second one of this name would have the uses of the first.
        guard !tokenRows.contains(token.name) else { throw .badToken }
        try makeRoom(forTokens: 1)
        var token = token
        token.issuedAt = time
        tokenRows.set(token.name, token)
        events.append(.tokenIssued(name: token.name))
    }

    mutating func revoke(_ revocation: TokenRevocation, _ events: inout [StateEvent]) throws(SchedulerError) {
        if let old = tokenRevocationRows[revocation.subject] {
            // What is revoked stays so; only its bound in time may go or move on.
            guard let bound = old.issuedBefore, revocation.issuedBefore.map({ $0 > bound }) ?? true else { return }
        }
        forgetOldRevocations()
        guard
            tokenRevocationRows.count < SchedulerLimits.tokenRevocationsMax
                || tokenRevocationRows.contains(revocation.subject)
        else { throw .tooManyTokens }
        var revocation = revocation
        revocation.at = time
        tokenRevocationRows.set(revocation.subject, revocation)
        events += [.tokensChanged, .tokenRevoked(revocation.subject)]
    }

    mutating func add(_ issuer: IssuerRecord, _ events: inout [StateEvent]) throws(SchedulerError) {
        guard issuer.key.array.count == 32, issuer.id.utf8.count <= SchedulerLimits.tokenNameBytesMax,
            (1...SchedulerLimits.nameMax).contains(issuer.name.count)
        else { throw .badToken }
        forgetReplacedIssuers()
        guard issuerRows.count < SchedulerLimits.issuersMax || issuerRows.contains(issuer.id) else {
            throw .tooManyTokens
        }
        if let seconds = issuer.ttlSeconds {
            guard SchedulerLimits.issuerSeconds.contains(seconds) else { throw .badToken }
        }
        guard issuerRows[issuer.id]?.replaced == nil else {
            throw .badRotation("the key \(issuer.id) has been replaced, and comes back no more")
        }
        var issuer = issuer
        issuer.at = time
        issuer.replaced = nil
        issuer.expires = issuer.ttlSeconds.map { time + Int64($0) * 1_000_000_000 }
        issuerRows.set(issuer.id, issuer)
        events += [.tokensChanged, .tokenIssuerAdded(issuer.id)]
    }

    /// Who is used stays: from a third of its time on each job that its tokens start gives it all of the time again. Not at
    /// each, so that the state does not change for nothing; and not after its end, when somebody has to add it again.
    private mutating func renewIssuer(_ id: String) {
        guard var issuer = issuerRows[id], let seconds = issuer.ttlSeconds, let expires = issuer.expires,
            time <= expires
        else { return }
        let period = Int64(seconds) * 1_000_000_000
        guard expires - time < period - period / 3 else { return }
        issuer.expires = time + period
        issuerRows.set(id, issuer)
    }

    mutating func raiseTokenEpoch(by person: String, _ events: inout [StateEvent]) {
        tokenEpoch += 1
        events += [.tokensChanged, .tokenEpochRaised(by: person)]
    }

    /// The job that this request has started before; nil where it may start one now.
    ///
    /// - Throws: where a link of the token has no use left, or is revoked or over by the time of this entry.
    public func started(with pass: GuestPass) throws(SchedulerError) -> JobID? {
        for count in pass.counts {
            let starts = tokenRows[count.name]?.starts ?? []
            if let start = starts.first(where: { $0.request == pass.requestHash && $0.holder == pass.holder }) {
                return start.job
            }
        }
        let subjects = pass.names.map { TokenRevocation.Subject.token($0) } + [.holder(pass.holder)]
        for subject in subjects {
            if let revocation = tokenRevocationRows[subject], revocation.issuedBefore == nil {
                throw .tokenRevoked(by: revocation.by, at: Wording.clock(revocation.at, seenAt: time))
            }
        }
        if let revocation = tokenRevocationRows[.issuer(pass.issuer)], revocation.issuedBefore == nil {
            throw .tokenRevoked(by: revocation.by, at: Wording.clock(revocation.at, seenAt: time))
        }
        if let issuer = issuerRows[pass.issuer], let expires = issuer.expires {
            guard time <= expires + SchedulerLimits.tokenSkewNanoseconds else {
                throw .tokenIssuerExpired(name: issuer.name, at: Wording.clock(expires, seenAt: time) + " UTC")
            }
        }
        if wantsIssuedTokens {
            guard let root = pass.links.first, let name = pass.names.first,
                accepts(root: BLAKE3.hash(Array(root.utf8)), named: name)
            else { throw .tokenNotIssued }
        }
        for count in pass.counts {
            let starts = tokenRows[count.name]?.starts ?? []
            guard UInt64(starts.count) < count.uses else {
                throw .guestTokenUsed(
                    jobs: starts.map(\.job), uses: count.uses,
                    at: Wording.clock(starts.last?.at ?? time, seenAt: time) + " UTC", madeBy: pass.madeBy)
            }
            guard time <= count.expires + SchedulerLimits.tokenSkewNanoseconds else {
                throw .guestTokenExpired(at: Wording.clock(count.expires, seenAt: time) + " UTC")
            }
        }
        return nil
    }

    /// Counts the job at every link that has a number of uses, in the entry that starts it.
    mutating func spend(_ pass: GuestPass, on job: JobID, _ events: inout [StateEvent]) throws(SchedulerError) {
        try makeRoom(forTokens: pass.counts.count)
        renewIssuer(pass.issuer)
        for count in pass.counts {
            var record =
                tokenRows[count.name]
                ?? TokenRecord(
                    name: count.name, issuer: pass.issuer, madeBy: pass.madeBy, uses: count.uses,
                    expires: count.expires)
            record.starts.append(
                TokenRecord.Start(job: job, request: pass.requestHash, holder: pass.holder, at: time))
            tokenRows.set(count.name, record)
            events.append(.tokenSpent(name: count.name, job))
        }
    }

    /// Refused rather than forgotten: a count that is lost would be a use that is there again.
    private mutating func makeRoom(forTokens count: Int) throws(SchedulerError) {
        guard tokenRows.count + count > SchedulerLimits.tokensMax else { return }
        let oldest = time - SchedulerLimits.tokenKeptNanoseconds
        for name in tokenRows.filter({ $0.row.expires < oldest }).map(\.key) { tokenRows.remove(name) }
        guard tokenRows.count + count <= SchedulerLimits.tokensMax else { throw .tooManyTokens }
    }

    /// A token that has been over for long needs no revocation; keys stay revoked.
    private mutating func forgetOldRevocations() {
        guard tokenRevocationRows.count >= SchedulerLimits.tokenRevocationsMax else { return }
        let oldest = time - SchedulerLimits.tokenKeptNanoseconds
        for (subject, row) in tokenRevocationRows.map({ ($0.key, $0.row) }) {
            if case .token = subject, row.at < oldest { tokenRevocationRows.remove(subject) }
        }
    }
}
