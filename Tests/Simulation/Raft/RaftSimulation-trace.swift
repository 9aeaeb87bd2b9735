import Codec
@_spi(Simulation) import Raft

/// (19) Everything that a run did, folded into one number: the same for each run of a seed, in every process.
extension RaftSimulation {
    func trace(_ core: RaftCore, _ effects: [RaftEffect], _ position: Int) {
        outcome.digest.add(now.nanoseconds)
        outcome.digest.add(position)
        outcome.digest.add(core.term)
        outcome.digest.add(core.commitIndex)
        outcome.digest.add(core.lastIndex)
        for effect in effects { trace(effect) }
    }

    private func trace(_ effect: RaftEffect) {
        switch effect {
        case .persist(let persist):
            outcome.digest.add(1 as UInt64)
            outcome.digest.add(persist.token)
            outcome.digest.add(persist.truncateFrom ?? 0)
            if let state = persist.hardState {
                outcome.digest.add(state.term)
                outcome.digest.add(state.vote?.rawValue ?? 0)
            }
            for entry in persist.entries { trace(entry) }
        case .send(let peer, let message):
            outcome.digest.add(2 as UInt64)
            outcome.digest.add(peer.rawValue)
            trace(message)
        case .apply(let entries):
            outcome.digest.add(3 as UInt64)
            outcome.digest.add(entries.last?.index ?? 0)
        case .restore(let snapshot):
            outcome.digest.add(4 as UInt64)
            outcome.digest.add(snapshot.index)
        case .proposed(let id, let index, let term):
            outcome.digest.add(5 as UInt64)
            outcome.digest.add(id)
            outcome.digest.add(index)
            outcome.digest.add(term)
        case .rejected(let id, _):
            outcome.digest.add(6 as UInt64)
            outcome.digest.add(id)
        case .readReady(let id, let index):
            outcome.digest.add(7 as UInt64)
            outcome.digest.add(id)
            outcome.digest.add(index)
        case .roleChanged(let role, let term, let leader):
            outcome.digest.add(8 as UInt64)
            outcome.digest.add(UInt64(role.rawValue))
            outcome.digest.add(term)
            outcome.digest.add(leader?.rawValue ?? 0)
        case .membershipChanged(let membership):
            outcome.digest.add(9 as UInt64)
            for member in membership.members { outcome.digest.add(member.rawValue) }
        case .snapshotWanted(let plan):
            outcome.digest.add(10 as UInt64)
            outcome.digest.add(plan.index)
        case .stop: outcome.digest.add(11 as UInt64)
        case .sendSnapshot(let peer, _, let snapshot, let offset, _):
            outcome.digest.add(12 as UInt64)
            outcome.digest.add(peer.rawValue)
            outcome.digest.add(snapshot.index)
            outcome.digest.add(offset)
        case .storeSnapshot(let piece):
            outcome.digest.add(13 as UInt64)
            outcome.digest.add(piece.snapshot.index)
            outcome.digest.add(piece.offset)
        }
    }

    private func trace(_ entry: RaftEntry) {
        outcome.digest.add(entry.index)
        outcome.digest.add(entry.term)
        if let bytes = entry.command { outcome.digest.add(SimulatedCommand.number(bytes)) }
    }

    private func trace(_ message: RaftMessage) {
        outcome.digest.add(message.term)
        switch message {
        case .append(let append):
            outcome.digest.add(append.previousIndex)
            outcome.digest.add(append.previousTerm)
            outcome.digest.add(append.commitIndex)
            for entry in append.entries { trace(entry) }
        case .heartbeat(let heartbeat):
            outcome.digest.add(heartbeat.commitIndex)
            outcome.digest.add(heartbeat.round)
        case .appendResponse(let response):
            outcome.digest.add(response.previousIndex)
            if case .accepted(let match) = response.outcome { outcome.digest.add(match) }
        case .heartbeatResponse(let response): outcome.digest.add(response.round)
        case .voteRequest(let request):
            outcome.digest.add(request.ballot.rawValue)
            outcome.digest.add(request.lastIndex)
        case .voteResponse(let response): outcome.digest.add(response.isGranted ? 1 as UInt64 : 0)
        default: break
        }
    }
}
