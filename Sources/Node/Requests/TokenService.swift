import Codec
import Ring
import Scheduler
import Tokens

/// Makes and withdraws tokens for people outside the mesh. Confined to its loop.
///
/// A member signs with the key of its identity, for a purpose that is no other's, so whoever is a member may be asked and
/// is believed. What its user may not do himself he cannot let others do.
struct TokenService {
    let node: MeshNode
    let caller: RequestHandler.Caller

    /// Addresses that a token carries.
    private static let addressesMax = 8

    private var state: SchedulerState { node.state }

    /// Who makes a token here, as people know him: `ana on owl`.
    var maker: String { "\(caller.name) on \(node.views.nodeName(node.id))" }

    func issue(_ draft: AccessDraft, addresses: [String]) async throws -> AccessToken {
        try node.requireClock()
        try await checkJobs(draft.scope)
        let membership = node.membership
        let now = EventLoops.wallClock.nanoseconds / 1_000_000_000
        guard draft.lifetime <= AccessConstants.lifetimeSeconds else {
            throw TokenError.accessWider("how long tokens of this mesh live (24h)")
        }
        let offer = draft.offer(
            mesh: membership.meshKey.id, now: now, epoch: Int64(clamping: state.tokenEpoch), madeBy: maker)
        let issuer = node.identity.signingKey
        // This one first, then those whose addresses are in the token.
        let members =
            state.members.filter { $0.id == node.id } + state.members.filter { $0.id != node.id && $0.role == .auto }
        let token = try AccessToken(
            chain: .issue(offer, to: draft.holder, mesh: membership.meshKey.id, issuer: issuer),
            issuerKey: issuer.publicKey, holderKey: nil, meshKey: membership.meshKey, root: membership.root,
            meshName: membership.meshName,
            addresses: Array(
                (addresses + membership.addresses + members.dropFirst().flatMap(\.addresses)).prefix(
                    TokenService.addressesMax)),
            members: try members.prefix(AccessConstants.membersMax).map { member throws(TokenError) in
                AccessToken.mark(of: try PublicKey(bytes: member.identityKey.array).id)
            })
        let record = TokenRecord(
            name: token.grant.names[0], issuer: token.grant.issuer.text, madeBy: maker, allows: draft.acts.description,
            uses: UInt64(clamping: draft.uses), expires: token.grant.expires * 1_000_000_000,
            root: state.level >= 6 ? token.grant.rootDigest : nil,
            signed: state.level >= SchedulerState.signedTokensLevel
                ? TokenRecord.Signed(
                    holder: token.grant.links[0].holder.id.text, at: token.grant.links[0].issuedAt,
                    epoch: UInt64(clamping: token.grant.root.epoch)) : nil)
        // Known before anybody has it: what was lost on its way can be withdrawn.
        _ = try await node.driver.carryOut(.issueToken(record), by: node.asker(caller))
        return token
    }

    func list() -> TokensView {
        let mine = state.tokens.filter { caller.isAdministrator || $0.madeBy == maker }
        return TokensView(
            tokens: mine, revocations: state.tokenRevocations, issuers: state.issuers, time: state.time,
            epoch: state.tokenEpoch)
    }

    func revoke(_ revocation: TokenRevocation) async throws {
        var revocation = revocation
        revocation.by = caller.name
        if let guest = caller.guest {
            // The very token that he has shown: "I lost it".
            let grant = guest.decision.grant
            guard revocation.subject == .token(grant.names[grant.names.count - 1]), revocation.issuedBefore == nil
            else {
                throw TokenError.accessDenied(allowed: grant.acts.description)
            }
            // Whoever may narrow a token has as many as he likes; room is left for what members withdraw.
            guard state.tokenRevocations.count < SchedulerLimits.tokenRevocationsMax / 2 else {
                throw SchedulerError.tooManyTokens
            }
            revocation.by = "its holder"
        } else if !caller.isAdministrator {
            guard case .token(let name) = revocation.subject, state.token(name)?.madeBy == maker else {
                throw NodeError.denied(user: caller.name, what: "revoke what somebody else has issued")
            }
        }
        _ = try await node.driver.carryOut(.revokeToken(revocation), by: node.asker(caller))
    }

    func addIssuer(_ issuer: IssuerRecord) async throws {
        let key = try PublicKey(bytes: issuer.key.array)
        guard issuer.lifetimeSeconds <= UInt64(AccessConstants.lifetimeSeconds) else {
            throw TokenError.accessWider("how long tokens of this mesh live (24h)")
        }
        var issuer = issuer
        issuer.id = key.id.text
        issuer.by = caller.name
        issuer.expires = nil
        if issuer.ttlSeconds == nil, state.level >= SchedulerState.endsLevel {
            issuer.ttlSeconds = SchedulerLimits.issuerSecondsDefault
        }
        _ = try await node.driver.carryOut(.addIssuer(issuer), by: node.asker(caller))
    }

    func revokeAll() async throws {
        _ = try await node.driver.carryOut(.raiseTokenEpoch(by: caller.name), by: node.asker(caller))
    }

    /// A token for a job that there is gives what only its owner and administrators may do.
    private func checkJobs(_ scope: AccessScope) async throws {
        guard let jobs = scope.job, !caller.isAdministrator else { return }
        for number in jobs {
            guard let id = JobID(number), let job = state.job(id), job.spec.user == caller.name else {
                throw NodeError.denied(user: caller.name, what: "let others see job \(number)")
            }
        }
    }
}
