import Codec
import GPUBackend
import Mesh
import Ring
import Scheduler
import Tokens

/// Sees to it that this node can show itself to outsiders: renews its certificates, with the mesh key where that lies here,
/// else through members that may admit. Confined to its loop.
final class CertificateKeeper: @unchecked Sendable {
    private let node: MeshNode
    private var renewal = CertificateRenewal()
    /// Members with a session when this was looked at last.
    private var connected: [NodeID] = []
    private var isLooking = false
    /// The mesh key that the state named when its place here was looked after.
    private var followed: Bytes?
    /// Statements that outsiders are shown.
    private var shownCount = 0

    private static let interval = Interval.seconds(5)
    private static let answerPatience = Interval.seconds(5)
    /// Members that are asked in one try.
    private static let askedMax = 8

    init(node: MeshNode) { self.node = node }

    /// Runs until the node stops.
    func run() async {
        while node.isRunning {
            do {
                await look()
                try await node.loop.sleep(for: pause)
            } catch {
                return
            }
        }
    }

    /// The state may name another mesh key than before.
    func checkMeshKey() {
        guard node.isRunning, !isLooking, !node.state.meshName.isEmpty, node.state.currentMeshKey != followed else {
            return
        }
        renewal.metSomebody()
        node.loop.spawn("the mesh key has changed") { [self] in await look() }
    }

    /// Goes by the mesh key that the state names: takes it into use where it lies here, and shows statements for those who
    /// know a former one.
    func follow() throws {
        let state = node.state
        guard !state.meshName.isEmpty else { return }
        let shown = state.shownMeshKeyRotations.count
        if shown != shownCount {
            shownCount = shown
            node.onKeysChanged?()
        }
        guard state.currentMeshKey != followed else { return }
        let rotations = state.meshKeyReplacements.map(\.rotation)
        // A mesh that was recovered from a host which was behind has yet to be told again.
        if !node.membership.meshKeyRotations.starts(with: rotations) {
            try node.follow(rotations, to: try PublicKey(bytes: state.currentMeshKey.array))
        }
        // Behind the file `mesh`, by which the next start knows the key that it finds.
        if let remark = try MeshKeyCopy.settle(node.directory, state, node.identity.lock) { node.log.note(remark) }
        followed = state.currentMeshKey
        if try isDue(node.membership.certificates), let found = withMeshKey() { try node.take(found) }
    }

    private func look() async {
        guard !isLooking else { return }
        isLooking = true
        defer { isLooking = false }
        do {
            try follow()
            guard try isDue(node.membership.certificates) else { return renewal.succeeded() }
            try await tryToRenew()
        } catch {
            // A disk that is full, or a key file that is damaged: said once, and tried again later and later.
            if renewal.failures == 0 { note("the certificates of this node cannot be renewed", error) }
            renewal.failed(at: node.loop.now)
        }
    }

    /// Until when outsiders believe that this node is a member, in seconds since the Unix epoch; nil: without end.
    var expires: Int64? {
        do { return try verified(node.membership.certificates).validity?.expires } catch { return 0 }
    }

    /// What `doctor` says of it where it does not end soon; nil where `Endings` says it.
    var check: CheckView? {
        let check = "certificate"
        let (validity, count): (CertificateValidity?, Int)
        do {
            let chain = node.membership.certificates
            (validity, count) = (try verified(chain).validity, chain.certificates.count)
        } catch {
            return CheckView(check: check, result: "FAIL", detail: error.message, hint: error.hint)
        }
        guard let validity else {
            return CheckView(
                check: check, result: "warn", detail: "without an end, which guests and hosts that join do not take",
                hint: "it is replaced when all members run this version: swarmlet upgrade")
        }
        let now = EventLoops.wallClock.nanoseconds
        let text = { (seconds: Int64) in RFC3339.format(seconds * 1_000_000_000) }
        guard validity.standing(now: Certifier.now) != .notYet else {
            return CheckView(
                check: check, result: "FAIL",
                detail: "made at \(text(validity.issued)), which is to come by the clock of this host",
                hint: "set the clock: sudo timedatectl set-ntp true")
        }
        guard Endings.certificate(of: "", expires: validity.expires, now: now) == nil else { return nil }
        let detail = "good until \(text(validity.expires)), \(count) below the mesh key; it renews itself"
        return CheckView(check: check, result: "ok", detail: detail)
    }

    private var pause: Interval {
        guard renewal.failures > 0 else { return Self.interval }
        return min(max(renewal.nextTry - node.loop.now, .milliseconds(100)), Self.interval)
    }

    private func verified(_ chain: CertificateChain) throws(TokenError) -> Certificate.Content {
        try node.membership.verify(chain)
    }

    private func isDue(_ chain: CertificateChain) throws -> Bool {
        CertificateRenewal.isDue(
            linkCount: chain.certificates.count, validity: try verified(chain).validity,
            isOfFormerKey: try isOfFormerKey(chain),
            replacesEndless: node.state.level >= SchedulerState.endsLevel, now: Certifier.now)
    }

    private func isOfFormerKey(_ chain: CertificateChain) throws(TokenError) -> Bool {
        try node.membership.root(of: chain) != node.membership.currentMeshKey
    }

    private func tryToRenew() async throws {
        let connected = node.state.members.map(\.id).filter(node.peers.isConnected)
        if connected.contains(where: { !self.connected.contains($0) }) { renewal.metSomebody() }
        self.connected = connected
        guard renewal.mayTry(at: node.loop.now) else { return }
        var found = withMeshKey()
        if found == nil { found = try await fromMembers() }
        if let found {
            try node.take(found)
            let until = try verified(found).validity.map { RFC3339.format($0.expires * 1_000_000_000) } ?? "-"
            node.log.note("the certificates of this node are renewed until \(until)")
        }
        if let found, try !isDue(found) {
            renewal.succeeded()
        } else {
            if renewal.failures == 0, found == nil {
                node.log.note("no member renews the certificates of this node now; it is tried again")
            }
            renewal.failed(at: node.loop.now)
        }
    }

    /// nil where the mesh key is not here, or cannot be used: other members may renew all the same.
    private func withMeshKey() -> CertificateChain? {
        guard HostFiles.exists(node.directory.meshKey) else { return nil }
        let membership = node.membership
        do {
            let key = try SigningKeyFile.load(node.directory.meshKey, node.identity.lock)
            guard key.publicKey == membership.currentMeshKey else {
                throw NodeError.foreignMeshKey(mesh: membership.meshName)
            }
            return try .founding(
                node.identity.publicKey, name: membership.nodeName, meshKey: key, mesh: membership.meshKey.id,
                now: Certifier.now)
        } catch {
            if renewal.failures == 0 { note("the mesh key here cannot be used", error) }
            return nil
        }
    }

    /// The chain that lasts longest, of those that are better than the one that is there; nil where there is none.
    private func fromMembers() async throws -> CertificateChain? {
        guard node.driver.core.hasCaughtUp else { return nil }
        var best = node.membership.certificates
        for member in try candidates() where node.isRunning && node.peers.isConnected(member) {
            do {
                let chain = try await ask(member)
                let content = try verified(chain)
                guard content.subject == node.identity.publicKey else { throw TokenError.proofInvalid }
                guard
                    CertificateRenewal.isBetter(
                        content.validity, than: try verified(best).validity,
                        isOfFormerKey: (new: try isOfFormerKey(chain), old: try isOfFormerKey(best)), now: Certifier.now
                    )
                else { continue }
                best = chain
                if try !isDue(best) { break }
            } catch {
                if renewal.failures == 0 {
                    note("\(node.views.nodeName(member)) does not renew the certificates of this node", error)
                }
            }
        }
        return best == node.membership.certificates ? nil : best
    }

    /// First those from whom the certificates are now, the nearest to the mesh key before all others; then who leads, who
    /// votes, and the rest, others at each try.
    private func candidates() throws -> [NodeID] {
        let membership = node.membership
        let above = try membership.certificates.subjects(meshKey: membership.meshKey, root: membership.root)
            .map(\.bytes)
        let raft = node.driver.core.raft
        func rank(_ member: NodeRecord) -> Int {
            if let place = above.firstIndex(of: member.identityKey.array) { return place }
            if member.id == raft.leader { return above.count }
            return raft.membership.isVoter(member.id) ? above.count + 1 : above.count + 2
        }
        let members = node.state.members.filter { $0.id != node.id && $0.role == .auto && $0.revocation == nil }
            .map { (rank: rank($0), id: $0.id) }
            .sorted { ($0.rank, $0.id) < ($1.rank, $1.id) }
        let first = members.filter { $0.rank < above.count + 2 }.map(\.id)
        var rest = members.filter { $0.rank == above.count + 2 }.map(\.id)
        if !rest.isEmpty {
            let turn = renewal.failures * Self.askedMax % rest.count
            rest = Array(rest[turn...] + rest[..<turn])
        }
        return Array((first + rest).prefix(Self.askedMax))
    }

    private func ask(_ member: NodeID) async throws -> CertificateChain {
        let stream = try await node.peers.openStream(.certificates, to: member)
        let patience = node.loop.schedule(at: node.loop.after(Self.answerPatience)) { stream.cancel() }
        defer {
            node.loop.cancel(patience)
            stream.cancel()
        }
        try await stream.send(CBOR.map(CBORMap()).encoded())
        guard let bytes = try await stream.receive() else { throw MeshError.disconnected }
        switch try CertificateAnswer(encoded: bytes) {
        case .certified(let chain): return chain
        case .refused(let failure): throw failure
        }
    }

    private func note(_ what: String, _ error: any Error) {
        node.log.note("\(what): \(APIFailure(error).message)")
    }
}
