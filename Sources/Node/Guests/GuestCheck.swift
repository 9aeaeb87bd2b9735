import Codec
import Ring
import Scheduler
import Tokens

/// Verifies tokens by what this node knows. Confined to its loop.
final class GuestCheck: @unchecked Sendable {
    let node: MeshNode
    private var cache = AccessCache()
    /// The latest time that was seen: what has run out does not become good again where the clock is set back.
    private var latest: Int64 = 0
    /// The keys of nodes by their ids, as far as `lastKnown` and `knownRotations`: hashes, and so not worked out for each
    /// request.
    private var nodes: [KeyID: StateLedger.NodeKey] = [:]
    private var knownRotations: UInt64 = 0
    private var lastKnown = NodeID(0)

    /// Bytes that were fetched here, by the names of the tokens.
    private var fetched: [String: Int64] = [:]
    private static let fetchedMax = 10_000

    /// How long the mesh is asked what is decided by now.
    private static let patience = Interval.seconds(2)

    init(node: MeshNode) { self.node = node }

    /// Seconds since the Unix epoch; never less than before, nor than the time of the log, as this clock may be behind.
    var now: Int64 {
        latest = max(latest, EventLoops.wallClock.nanoseconds / 1_000_000_000, node.state.time / 1_000_000_000)
        return latest
    }

    /// When it was last confirmed what is decided.
    private var confirmed: Instant?

    /// Asks the mesh what is decided, so that everything that was revoked before is known here. Returns without an answer,
    /// too: how old the view is then is looked at by who uses it.
    func refresh() async throws {
        let asked = node.loop.now
        if try await node.driver.read(patience: GuestCheck.patience) { confirmed = max(confirmed ?? asked, asked) }
    }

    /// Seconds since it was last confirmed what is revoked, rounded up.
    var viewAge: Int64 {
        guard let confirmed else { return .max }
        return max(0, (node.loop.now - confirmed).milliseconds + 999) / 1_000
    }

    func verify(
        _ presented: AccessVerifier.Presentation, for request: AccessRequest, asked: Int64? = nil
    ) throws(AccessRefusal) -> AccessVerifier.Decision {
        try AccessVerifier.verify(presented, for: request, in: situation(asked: asked), cache: &cache)
    }

    /// What somebody shows, by what is known here now and for no act: links, times, revocations and the proof.
    func verifySoon(_ presented: AccessVerifier.Presentation) throws(AccessRefusal) -> AccessGrant {
        // How old the view is counts for what is then asked of it.
        var situation = situation(asked: nil)
        situation.viewAge = 0
        return try AccessVerifier.verify(presented, for: AccessRequest(nil), in: situation, cache: &cache).grant
    }

    /// Who shows something, whatever has ended since.
    func whoAsks(_ presented: AccessVerifier.Presentation) throws(AccessRefusal) -> AccessGrant {
        try AccessVerifier.whoAsks(presented, in: situation(asked: nil), cache: &cache)
    }

    func verifyAgain(_ grant: AccessGrant, for request: AccessRequest) throws(AccessRefusal) {
        try AccessVerifier.verifyAgain(grant, for: request, in: situation(asked: nil))
    }

    /// Whether nothing can be started with it any more, because of its own time.
    func isOver(_ grant: AccessGrant) -> Bool { now > grant.expires + TokenTime.toleranceSeconds }

    /// Counts what is about to be sent from here.
    ///
    /// - Throws: `accessLimit` where it is more than the token allows all in all.
    func count(_ bytes: UInt64, fetchedWith decision: AccessVerifier.Decision) throws(TokenError) {
        let name = decision.grant.names[decision.grant.names.count - 1]
        var asks = AccessLimits()
        let before = fetched[name] ?? 0
        asks[.output] = before + min(Int64(clamping: bytes), .max - before)
        try asks.check(within: decision.limits)
        // Tokens live for a day: whoever makes so many of them may begin anew.
        if fetched.count >= GuestCheck.fetchedMax { fetched = [:] }
        fetched[name] = asks[.output]
    }

    private func situation(asked: Int64?) -> AccessVerifier.Situation {
        if node.state.keyRotations != knownRotations {
            knownRotations = node.state.keyRotations
            lastKnown = NodeID(0)
        }
        if let newest = node.state.newestNode, newest > lastKnown {
            for node in node.state.nodes where node.id > lastKnown {
                for key in node.formerKeys.map(\.key) + [node.identityKey] where key.array.count == PublicKey.byteCount
                {
                    nodes[PublicKey(admitted: key.array).id] = StateLedger.NodeKey(node: node.id, key: key)
                }
            }
            lastKnown = newest
        }
        return AccessVerifier.Situation(
            now: now, asked: asked, mesh: node.membership.meshKey.id, node: node.identity.publicKey.id,
            viewAge: viewAge, policy: GuestJob.policy,
            ledger: StateLedger(state: node.state, nodes: nodes))
    }
}
