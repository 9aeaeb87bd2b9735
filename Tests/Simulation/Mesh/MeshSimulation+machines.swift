import Codec
@_spi(Simulation) import Node
import Raft
import Scheduler

/// Hosts and daemons: they boot, crash, stall, and the daemon does what its core says.
extension MeshSimulation {
    /// A host starts its clock anew.
    func bootHost(_ machine: Int) {
        let drift = Int64.random(in: -settings.driftMax...settings.driftMax, using: &random)
        let start = Int64.random(in: 1...1_000_000, using: &random) * 1_000_000
        machines[machine - 1].clock = SimulatedClock(bootedAt: now, start: start, drift: drift)
        machines[machine - 1].hostBoot += 1
    }

    func startDaemon(_ machine: Int) {
        guard let id = machines[machine - 1].id, !machines[machine - 1].isUp else { return }
        machines[machine - 1].boot += 1
        let local = machines[machine - 1].clock.local(now)
        var configuration = RaftConfiguration()
        configuration.snapshotThresholdEntries = settings.snapshotEntries
        configuration.trailingEntries = 20
        do throws(CodecError) {
            var state: SchedulerState?
            if let content = machines[machine - 1].disk.snapshotContent { state = try SchedulerState(encoded: content) }
            var restored = machines[machine - 1].disk.durable
            state = replay(&restored, state)
            let core = NodeCore(
                id: id, restored: restored, state: state,
                raftConfiguration: configuration, boot: random.next(), generation: machines[machine - 1].boot,
                seal: .simulated(id), now: local, faults: faults)
            machines[machine - 1].daemon = SimulatedMachine.Daemon(core: core)
        } catch {
            give("host \(machine) cannot start from its disk: \(error.message)")
            return
        }
        tell("host \(machine) starts its daemon as \(id)")
        adopt(machine)
        handle(machine, .closed(machines[machine - 1].isClosed))
        let skew = Int64.random(in: -2_000_000_000...2_000_000_000, using: &random)
        handle(machine, .wallClock(Self.epoch + now.nanoseconds + skew))
    }

    /// As the real daemon: what the log is known to have decided is applied before the node begins.
    private func replay(_ restored: inout RaftRestored, _ state: SchedulerState?) -> SchedulerState {
        var replay = StateReplay(state, at: restored.snapshot?.index ?? 0, levels: .current)
        replay.apply(
            restored.entries.filter {
                $0.index > replay.appliedIndex && $0.index <= restored.hardState.commitIndex
            })
        restored.appliedIndex = replay.appliedIndex
        return replay.state
    }

    /// The new daemon finds the supervisors and their journals; some ends it tells only after a while, as the real one
    /// does that collects results first.
    private func adopt(_ machine: Int) {
        var adopted: [AdoptedAttempt] = []
        for process in machines[machine - 1].supervisors.processes {
            let at = Self.epoch + now.nanoseconds
            guard let outcome = process.outcome, below(2) == 0 else {
                adopted.append(AdoptedAttempt(key: process.key, outcome: nil, at: at))
                if let outcome = process.outcome {
                    let report = AttemptReport(attempt: process.key, kind: .ended(outcome), at: at)
                    schedule(.reported(machine, boot: machines[machine - 1].boot, report), in: between(5, 400))
                }
                continue
            }
            adopted.append(AdoptedAttempt(key: process.key, outcome: outcome, at: at))
        }
        handle(machine, .adopted(adopted))
    }

    /// The daemon ends without warning; its supervisors go on.
    func crashDaemon(_ machine: Int) {
        guard machines[machine - 1].isUp else { return }
        machines[machine - 1].daemon = nil
        machines[machine - 1].boot += 1
        machines[machine - 1].stalledUntil = .zero
        machines[machine - 1].backlog = []
        machines[machine - 1].disk.crash(&random)
        for peer in machines.indices.map({ $0 + 1 }) where peer != machine && machines[peer - 1].isUp && below(4) > 0 {
            schedule(.unreachable(peer, boot: machines[peer - 1].boot, peer: machine), in: between(0, 20))
        }
    }

    /// Power is lost: everything on the host is gone but its disk.
    func crashHost(_ machine: Int) {
        crashDaemon(machine)
        machines[machine - 1].supervisors.reset(freezeLatency: between(0, 100))
        machines[machine - 1].hostBoot += 1
    }

    func restart(_ machine: Int) {
        if !machines[machine - 1].isUp { startDaemon(machine) }
    }

    func resume(_ machine: Int) {
        guard machines[machine - 1].stalledUntil <= now else { return }
        let backlog = machines[machine - 1].backlog
        machines[machine - 1].backlog = []
        for event in backlog { queue.add(event, at: now) }
        wake(machine)
    }

    /// Hands an input to a core, or keeps it while the daemon stalls.
    func input(_ machine: Int, _ input: NodeInput, _ event: MeshEvent) {
        guard machines[machine - 1].isUp else { return }
        if machines[machine - 1].stalledUntil > now {
            if machines[machine - 1].backlog.count < 5_000 { machines[machine - 1].backlog.append(event) }
            return
        }
        handle(machine, input)
    }

    func handle(_ machine: Int, _ input: NodeInput) {
        let local = machines[machine - 1].clock.local(now)
        var effects: [NodeEffect] = []
        machines[machine - 1].daemon?.core.handle(input, at: local, into: &effects)
        for effect in effects where violation == nil { carryOut(effect, on: machine) }
        if case .timer = input { checkThatItRests(machine, at: local) }
        lookInside(machine)
        wake(machine)
    }

    /// A core that was woken must not ask to be woken at once again: the real one would keep a processor busy.
    private func checkThatItRests(_ machine: Int, at local: Instant) {
        guard let next = machines[machine - 1].daemon?.core.nextDeadline, next <= local else {
            machines[machine - 1].daemon?.restlessWakes = 0
            return
        }
        machines[machine - 1].daemon?.restlessWakes += 1
        let wakes = machines[machine - 1].daemon?.restlessWakes ?? 0
        if wakes > Self.restlessWakesMax { give("host \(machine) asks to be woken again and again without a pause") }
    }

    /// Arranges for the core to be woken when it wants to be.
    private func wake(_ machine: Int) {
        guard let local = machines[machine - 1].daemon?.core.nextDeadline else { return }
        let due = max(
            machines[machine - 1].clock.trueTime(of: local, now: now), now + Interval(nanoseconds: 50_000))
        guard due < machines[machine - 1].daemon?.wakesAt ?? .zero else { return }
        machines[machine - 1].daemon?.wakesAt = due
        queue.add(.wake(machine, boot: machines[machine - 1].boot), at: due)
    }

    private func carryOut(_ effect: NodeEffect, on machine: Int) {
        let boot = machines[machine - 1].boot
        switch effect {
        case .persist(let change):
            machines[machine - 1].disk.add(change)
            beginWrite(machine)
        case .send(let peer, let message), .sendByDatagram(let peer, let message):
            send(message, from: machine, to: peer)
        case .prepare: break
        case .start(let key): prepare(key, on: machine)
        case .stop(let key, let stop): self.stop(key, stop, on: machine)
        case .extendLease(let until, let heldBack): extendLease(of: machine, until: until, heldBack: heldBack)
        case .shortenLease(let until):
            let lease = machines[machine - 1].daemon?.lease ?? until
            machines[machine - 1].daemon?.lease = min(lease, until)
            machines[machine - 1].supervisors.shorten(to: until)
            superviseLater(machine)
        case .settled(let key):
            machines[machine - 1].supervisors.forget(key)
            machines[machine - 1].daemon?.stops[key] = nil
        case .answered(let request, let answer): answered(request, answer, by: machine)
        case .changed(let events): changed(events, on: machine)
        case .readable(let ids): for id in ids { readable(id, on: machine) }
        case .leadership(let role, let leader):
            if role == .leader || leader == nil {
                tell("host \(machine) is \(role), leader \(leader.map { "\($0)" } ?? "unknown")")
            }
        case .takeSnapshot(let plan, let state):
            schedule(.snapshotTaken(machine, boot: boot, plan, state), in: between(1, 50))
        case .sendSnapshot(let peer, let term, let snapshot, let offset, let byteCount):
            let snapshots = machines[machine - 1].disk.snapshots
            guard let piece = snapshots.piece(of: snapshot, at: offset, byteCount: byteCount) else { return }
            send(.raft(.snapshot(RaftMessage.Snapshot(term: term, piece: piece))), from: machine, to: peer)
        case .storeSnapshot(let piece):
            schedule(.snapshotPiece(machine, boot: boot, piece), in: microseconds(200, 3_000))
        case .gossip(let peer, let message, _): send(.swim(message), from: machine, to: peer)
        case .membersChanged, .membership, .archive, .audited, .replaced: break
        case .denied(let sender, let refusal): give("host \(machine) took no word of \(sender): \(refusal.message)")
        case .overtaken: give("host \(machine) hears of a second one of itself")
        case .failed(let reason): give("host \(machine) gave up: \(reason)")
        }
    }

    func snapshotTaken(_ plan: RaftSnapshotPlan, _ state: SchedulerState, on machine: Int, _ event: MeshEvent) {
        let content = state.encoded()
        let snapshot = RaftSnapshot(plan, content: content)
        machines[machine - 1].disk.snapshots.add(snapshot, content)
        input(machine, .snapshotTaken(snapshot), event)
    }

    func store(_ piece: RaftSnapshotPiece, on machine: Int, _ event: MeshEvent) {
        let snapshot = piece.snapshot
        switch machines[machine - 1].disk.snapshots.store(piece, pieceBytes: RaftSnapshot.pieceBytes) {
        case .partly(let nextOffset): input(machine, .snapshotStored(snapshot, nextOffset: nextOffset), event)
        case .whole:
            guard let content = machines[machine - 1].disk.snapshots.content(of: snapshot) else { return }
            do {
                input(machine, .snapshotArrived(snapshot, try SchedulerState(encoded: content)), event)
            } catch {
                give("host \(machine) cannot read the leader's snapshot: \(error.message)")
            }
        }
    }

    /// The disk takes everything that waits in one go.
    func beginWrite(_ machine: Int) {
        guard let token = machines[machine - 1].disk.begin() else { return }
        let stalls = isChaos && below(200) == 0
        schedule(
            .persisted(machine, boot: machines[machine - 1].boot, token: token),
            in: stalls ? between(50, 800) : microseconds(200, 3_000))
    }

    private func send(_ message: NodeMessage, from machine: Int, to peer: NodeID) {
        guard let to = machines.first(where: { $0.id == peer })?.number, to != machine else { return }
        // Entries travel in a class of their own, which may stand still while heartbeats and leases pass.
        if case .raft(let raft) = message, !raft.isControl,
            machines[machine - 1].isLogStalled || machines[to - 1].isLogStalled
        {
            return
        }
        for arrival in network.arrivals(from: machine - 1, to: to - 1, at: now, &random) {
            queue.add(
                .deliver(from: machine, to: to, overTheWire(message)), at: arrival + machines[to - 1].inboundDelay)
        }
    }

    /// Now and then a message goes through its encoding.
    private func overTheWire(_ message: NodeMessage) -> NodeMessage {
        guard below(32) == 0 else { return message }
        do {
            let decoded = try NodeMessage(encoded: message.encoded())
            if decoded != message { give("a message is another one after its encoding: \(message)") }
            return decoded
        } catch {
            give("a message cannot be decoded: \(error.message)")
            return message
        }
    }

    /// Rules of the cores' own, looked at now and then because they cost a walk.
    private func lookInside(_ machine: Int) {
        guard stepCount % 97 == 0, let core = machines[machine - 1].daemon?.core else { return }
        if let broken = core.state.brokenInvariants().first { give("host \(machine): \(broken)") }
        let membership = core.raft.membership
        for voters in [membership.voters, membership.outgoingVoters] where ![0, 1, 3, 5].contains(voters.count) {
            give("host \(machine) knows a set of \(voters.count) voters")
        }
    }
}
