import Codec
import Mesh
import Raft
import Ring
import Scheduler

/// Answers about the log of the mesh, and hands the leadership over: here, or through the leader. Confined to its loop.
struct RaftService {
    let node: MeshNode

    private static let askPatience = Interval.seconds(2)
    private static let transferPatience = Interval.seconds(5)

    private var raft: RaftCore { node.driver.core.raft }
    private var views: MemberViews { MemberViews(node: node) }

    // MARK: What is known

    /// All members: by the leader's word where there is a leader, else by this node's.
    func view() async throws -> RaftView {
        guard let leader = raft.leader, leader != node.id else { return try await table() }
        do {
            guard case .raft(let view) = try await ask(leader, .raft(.leader)) else {
                throw NodeError.malformedRequest("an answer that is no word about the log")
            }
            return view
        } catch {
            // It may be going right now: what this node knows is better than nothing.
            return try await table()
        }
    }

    /// Serves another member.
    func serve(_ stream: any MessageStream, from sender: NodeID) async throws {
        guard let bytes = try await stream.receive() else { return }
        let reply: APIReply
        switch try APIRequest(encoded: bytes) {
        case .raft(.node): reply = .raft(view([row(node.id, damaged: [])].compactMap { $0 }))
        case .raft: reply = .raft(try await table())
        case .raftTransfer(let name): reply = .member(try await transferHere(to: name, nil, from: sender))
        case .raftHandOver(let request):
            reply = .member(try await transferHere(to: request.voter, request, from: sender))
        default: throw NodeError.malformedRequest("expected a question about the log")
        }
        try await stream.send(reply.encoded())
        await stream.finish()
    }

    private func view(_ members: [RaftMemberView]) -> RaftView {
        RaftView(
            term: raft.term, leader: raft.leader.map(node.views.nodeName), commitIndex: raft.commitIndex,
            appliedIndex: node.driver.core.appliedIndex, snapshotIndex: raft.snapshotIndex,
            level: node.state.level, epoch: node.membership.epoch, members: members,
            staleMilliseconds: node.staleness.map { UInt64(max(0, $0.milliseconds)) })
    }

    private func table() async throws -> RaftView {
        var damaged: [NodeID] = []
        // Only a node itself knows that its log is damaged.
        for voter in raft.membership.voters where voter != node.id && node.peers.isConnected(voter) {
            do {
                if case .raft(let view) = try await ask(voter, .raft(.node)),
                    view.members.contains(where: { $0.state == "damaged" })
                {
                    damaged.append(voter)
                }
            } catch {
                continue
            }
        }
        return view(node.state.nodes.map(\.id).compactMap { row($0, damaged: damaged) })
    }

    private func row(_ id: NodeID, damaged: [NodeID]) -> RaftMemberView? {
        let membership = raft.membership
        guard let member = views.member(id), membership.isMember(id) else { return nil }
        var row = RaftMemberView(
            name: member.name, shortID: member.shortID,
            raft: raft.leader == id ? "leader" : membership.isVoter(id) ? "voter" : "learner", state: "ok")
        if let progress = raft.progress.first(where: { $0.id == id }) {
            row.committed = min(progress.matchIndex, raft.commitIndex)
            row.behind = raft.lastIndex - min(progress.matchIndex, raft.lastIndex)
            let silence = node.loop.now - progress.heardAt
            row.heardMilliseconds = UInt64(max(0, silence.milliseconds))
            switch progress.phase {
            case .replicate: break
            case .probe: row.state = "catching up"
            case .snapshot: row.state = "snapshot"
            }
            if silence > NodeConstants.voterSilence { row.state = "silent" }
        } else if id == node.id {
            row.committed = min(raft.commitIndex, raft.lastIndex)
            row.behind = raft.role == .leader ? 0 : nil
        } else {
            row.state = node.peers.isConnected(id) ? "ok" : "silent"
        }
        if membership.isJoint {
            if !membership.voters.contains(id), membership.isVoter(id) { row.state = "leaving" }
            if membership.voters.contains(id), !membership.outgoingVoters.contains(id) { row.state = "joining" }
        }
        if id == node.id ? raft.isDamaged : damaged.contains(id) { row.state = "damaged" }
        return row
    }

    private func ask(_ peer: NodeID, _ request: APIRequest) async throws -> APIReply {
        let stream = try await node.peers.openStream(.raft, to: peer)
        defer { stream.cancel() }
        let patience = node.loop.schedule(at: node.loop.after(RaftService.askPatience)) { stream.cancel() }
        defer { node.loop.cancel(patience) }
        try await stream.send(request.encoded())
        guard let bytes = try await stream.receive() else { throw NodeError.noLeader(seconds: 0) }
        let reply = try APIReply(encoded: bytes)
        if case .failure(let failure) = reply { throw failure }
        return reply
    }

    // MARK: The leadership

    /// The new leader.
    func transfer(to name: String, by asker: Asker) async throws -> MemberView {
        guard let leader = raft.leader else { throw NodeError.noLeader(seconds: 0) }
        if leader == node.id { return try await transferHere(to: name) }
        let isStated = node.state.level >= SchedulerState.programsLevel
        let request = LeadershipRequest(
            to: name, term: raft.term, actor: asker.actor, role: asker.role, mesh: node.state.meshKeyID,
            key: node.identity.signingKey)
        guard
            case .member(let member) = try await ask(leader, isStated ? .raftHandOver(request) : .raftTransfer(name))
        else {
            throw NodeError.malformedRequest("an answer that is no member")
        }
        return member
    }

    private func transferHere(
        to name: String, _ request: LeadershipRequest?, from sender: NodeID
    ) async throws -> MemberView {
        guard raft.isReadyLeader else { throw NodeError.noLeader(seconds: 0) }
        if let refusal = node.state.refusal(of: request, from: sender, leadingIn: raft.term) {
            node.denied(sender, refusal.code, refusal.message)
            throw refusal
        }
        return try await transferHere(to: name)
    }

    private func transferHere(to name: String) async throws -> MemberView {
        guard raft.isReadyLeader else { throw NodeError.noLeader(seconds: 0) }
        let voters = raft.membership.voters
        let target = name.isEmpty ? nil : try views.member(named: name)
        if let target {
            guard voters.contains(target.nodeID) else { throw NodeError.notVoter(target.name) }
            if target.nodeID == node.id { return target }
        }
        guard voters.contains(where: { $0 != node.id }) else { throw NodeError.noSuccessor }
        node.driver.input(.transfer(to: target?.nodeID))
        let deadline = node.loop.after(RaftService.transferPatience)
        while raft.role == .leader || raft.leader == nil {
            guard try await node.driver.changes.isNotified(before: deadline) else {
                throw NodeError.transferFailed(target?.name)
            }
        }
        if let target, raft.leader != target.nodeID { throw NodeError.transferFailed(target.name) }
        guard let leader = raft.leader.flatMap({ views.member($0) }) else {
            throw NodeError.transferFailed(target?.name)
        }
        return leader
    }

    // MARK: A copy of the state

    /// The state as of now as the bytes of a file (`StateFile`).
    func snapshot(_ give: ([UInt8]) async throws -> Void) async throws {
        let core = node.driver.core
        let first = StateFile.beginning(StateFile.Header(core))
        var hash = BLAKE3()
        hash.update(first)
        try await give(first)
        // The copy of the state shares its pages: the ring is held for one chunk at a time.
        for chunk in StateChunks(core.state) {
            hash.update(chunk)
            try await give(chunk)
        }
        try await give(hash.finalize().bytes)
    }
}
