import Codec
import Node
import Raft
import Scheduler
import Tokens

/// Founding, what people ask of the mesh, and when it is done.
extension MeshSimulation {
    static func key(_ number: Int) -> Bytes { Bytes(Array(repeating: UInt8(number), count: 32)) }

    /// Of the identities of the hosts, the first of them at 1.
    private static let signingKeys = (0...16).map { SigningKey(seed: [UInt8](repeating: UInt8($0), count: 32)) }
    private static let meshKeyID = "k4.pid.lab"

    private static func identityKey(_ machine: Int) -> Bytes { Bytes(signingKeys[machine].publicKey.bytes) }

    /// What each host offers.
    static let cpuMillis: UInt64 = 4_000

    private func record(_ machine: Int) -> NodeRecord {
        let gpus = (0..<UInt32(machine % 3)).map {
            GPU(index: $0, uuid: "GPU-\(machine)-\($0)", model: "SIM", memoryBytes: 8 << 30, simulated: true)
        }
        return NodeRecord(
            name: "host\(machine)", identityKey: Self.identityKey(machine), noiseKey: Self.key(machine),
            labels: [Label(name: "rack", value: "r\(machine % 3)")],
            capacity: Capacity(cpuMillis: Self.cpuMillis, memoryBytes: 16 << 30, gpus: gpus))
    }

    func found() {
        machines[0].id = NodeID(1)
        let restored = RaftRestored.founding(id: NodeID(1))
        machines[0].disk = SimulatedDisk(restored)
        startDaemon(1)
        addClient(
            .found(meshName: "lab", meshKeyID: Self.meshKeyID, meshKey: Self.key(200), node: record(1)), at: .zero)
        for machine in machines.dropFirst() {
            addClient(.admit(record(machine.number), invitation: nil), at: .milliseconds(Int64(300 * machine.number)))
        }
    }

    var isFounded: Bool {
        guard machines.allSatisfy(\.isUp), let first = machines[0].daemon?.core else { return false }
        return first.state.members.count == machines.count
            && votersAreRight(first)
            && machines.allSatisfy { $0.daemon?.core.state.members.count == machines.count }
    }

    func startWorkload() {
        for number in 0..<settings.jobs {
            var spec = JobSpec(name: "job-\(number)", command: [], user: "ana", submitNode: NodeID(1))
            let milliseconds: Int64 = [50, 1_500, 4_000, 9_000, 14_000][below(5)]
            spec.command = SimulatedWork(milliseconds: milliseconds, failingAttempts: below(4) == 0 ? 1 : 0).command
            spec.tasks = [1, 1, 1, 2, 5][below(5)]
            spec.retry = [.never, .times(0), .times(0), .times(2)][below(4)]
            spec.resources = Resources(
                cpuMillis: UInt64(1 + below(3)) * 1_000, memoryBytes: 1 << 30, gpus: below(4) == 0 ? 1 : 0)
            let at = between(0, settings.chaos.milliseconds)
            addClient(.submit(spec), at: at)
            if below(6) == 0 { addCancel(JobID(1 + below(settings.jobs)), at: at + between(100, 5_000)) }
        }
        if below(3) == 0 { addArray() }
        schedule(.read, in: between(0, 500))
        addChangesOfVoters()
        addOwners()
        addAbsences()
        addUpgrades()
        addGangs()
        if settings.tokens > 0 { addGuests() }
    }

    /// Seats change while everything else goes on: the dead are replaced soon, hosts drain and come back, the number of
    /// voters is changed.
    private func addChangesOfVoters() {
        addClient(.configure(key: "autopilot.replace-dead-voter-after", value: "5s", by: "ana"), at: .zero)
        for turn in 0..<2 {
            let node = NodeID(UInt64(1 + below(machines.count)))
            let at = between(0, settings.chaos.milliseconds)
            // The second of the two is emptied, too.
            let order = DrainOrder(kind: .drain, patience: Int64(below(5)) * 1_000_000_000, by: "ana")
            addClient(turn == 0 ? .standDown(node, true) : .drain(node, order), at: at)
            let back = at + between(4_000, 12_000)
            addClient(turn == 0 ? .standDown(node, false) : .drain(node, nil), at: back)
        }
        let at = between(0, settings.chaos.milliseconds)
        addClient(.configure(key: "autopilot.voters", value: ["1", "3", "5"][below(3)], by: "ana"), at: at)
        addClient(.configure(key: "autopilot.voters", value: nil, by: "ana"), at: at + between(2_000, 12_000))
    }

    /// As many voters as the nodes allow, none of them draining, no rack with more than its share.
    func votersAreRight(_ core: NodeCore) -> Bool {
        let membership = core.raft.membership
        guard !membership.isJoint else { return false }
        let able = core.state.members.filter { !$0.givesSeatAway }.map(\.id)
        let most = core.state.meshSettings.voters ?? 5
        let size = [5, 3, 1].first { $0 <= min(most, able.count) } ?? 1
        guard membership.voters.count == size else { return false }
        guard able.count == machines.count else { return membership.voters.allSatisfy(able.contains) }
        var racks = [0, 0, 0]
        for voter in membership.voters { racks[Int(voter.rawValue % 3)] += 1 }
        return racks.max() == (size + 2) / 3
    }

    /// Somebody wants to know how things are now. Whatever was acknowledged before has been applied somewhere.
    func read() {
        if isChaos { schedule(.read, in: between(50, 700)) }
        let machine = 1 + below(machines.count)
        guard machines[machine - 1].isUp, machines[machine - 1].stalledUntil <= now else { return }
        nextRead += 1
        reads[nextRead] = machines.compactMap { $0.daemon?.core.appliedIndex }.max() ?? 0
        handle(machine, .read(nextRead))
    }

    func readable(_ id: UInt64, on machine: Int) {
        guard let floor = reads.removeValue(forKey: id), let core = machines[machine - 1].daemon?.core else {
            give("host \(machine) answers a read that nobody asked")
            return
        }
        readCount += 1
        if core.appliedIndex < floor {
            give(
                "host \(machine) reads its state as of entry \(core.appliedIndex); entry \(floor) was applied elsewhere "
                    + "before it was asked")
        }
    }

    /// Many short tasks, which are placed ahead of their turn, and some among them that hold up the line.
    private func addArray() {
        var spec = JobSpec(name: "array", command: [], user: "ana", submitNode: NodeID(1))
        spec.command = SimulatedWork(milliseconds: 2, longEvery: [0, 0, 9, 23][below(4)]).command
        spec.tasks = UInt32(20 + below(60))
        spec.retry = [.times(0), .times(1)][below(2)]
        spec.resources = Resources(cpuMillis: 1_000, memoryBytes: 1 << 28)
        let at = between(0, settings.chaos.milliseconds)
        addClient(.submit(spec), at: at)
        if below(5) == 0 { addCancel(JobID(settings.jobs + 1), at: at + between(50, 2_000)) }
    }

    private func addCancel(_ job: JobID, at delay: Interval) { addClient(.cancel(job, by: "ana"), at: delay) }

    func addClient(_ command: Command, at delay: Interval) {
        clients.append(
            MeshClient(request: RequestID(high: random.next(), low: random.next()), command: command))
        schedule(.client(clients.count - 1), in: delay)
    }

    /// Asks some daemon, the next time another one.
    func ask(_ index: Int) {
        guard clients[index].answer == nil else { return }
        let up = machines.filter { $0.isUp && $0.stalledUntil <= now }.map(\.number)
        if let machine = up.isEmpty ? nil : up[below(up.count)], let node = machines[machine - 1].id {
            clients[index].askedAt = machine
            let command = clients[index].command(askedAt: node)
            var entry = Entry(request: clients[index].request, time: 0, command: command)
            if !clients[index].isSubmit {
                // An administrator of that host, as it states.
                entry.actor = "ana@host\(machine)"
                entry.statement = RoleStatement(
                    .administrator, about: entry.askedDigest, mesh: Self.meshKeyID, key: Self.signingKeys[machine])
            }
            handle(machine, .propose(entry))
        }
        schedule(.client(index), in: between(1_000, 3_000))
    }

    func answered(_ request: RequestID, _ answer: Answer, by machine: Int) {
        if machines[machine - 1].daemon?.leave?.request == request { return mayGo(machine, answer) }
        if machines[machine - 1].daemon?.readyRequests.contains(request) == true {
            machines[machine - 1].daemon?.readyRequests.removeAll { $0 == request }
            return startMet(machine)
        }
        guard let index = clients.firstIndex(where: { $0.request == request }) else { return }
        if let known = clients[index].answer {
            if known != answer { give("one request got two answers: \(known) and \(answer)") }
            return
        }
        if case .refused("node.busy", _, _) = answer { return }
        // A mesh that was founded a moment ago is at its first level yet.
        if case .refused("mesh.level.not_reached", _, _) = answer { return }
        clients[index].answer = answer
        if let name = clients[index].jobName { tell("host \(machine) answers \(name): \(answer)") }
        guard case .admit(let node, _) = clients[index].command, case .node(let id, _) = answer,
            let joined = machines.firstIndex(where: { Self.identityKey($0.number) == node.identityKey })
        else { return }
        machines[joined].id = id
        machines[joined].disk = SimulatedDisk(.joining())
        schedule(.restart(joined + 1), in: between(10, 100))
    }

    func changed(_ events: [StateEvent], on machine: Int) {
        for event in events {
            switch event {
            case .jobEnded(let job):
                let endedAt = machines[machine - 1].daemon?.core.state.job(job)?.endedAt ?? 0
                if let broken = truth.jobEnded(job, at: endedAt) { give(broken) }
            case .gangChanged: startMet(machine)
            case .nodeChanged(let id): checkPromise(id, machine)
            case .attemptLost(let key, let node):
                tell("host \(machine) sees \(key.job)_\(key.task) attempt \(key.attempt) lost with \(node)")
            default: break
            }
        }
    }

    /// No more faults: everything that is down comes back.
    func calmDown() {
        tell("the faults stop")
        isChaos = false
        network.heal()
        network.weather = .fair
        freeHosts()
        for machine in machines {
            machines[machine.number - 1].stalledUntil = .zero
            machines[machine.number - 1].isLogStalled = false
            machines[machine.number - 1].inboundDelay = .zero
            resume(machine.number)
            if !machine.isUp { schedule(.restart(machine.number), in: between(0, 1_000)) }
        }
    }

    var isAtRest: Bool {
        guard clients.allSatisfy({ $0.answer != nil }), let index = machines[0].daemon?.core.appliedIndex else {
            return false
        }
        guard let leader = machines.compactMap({ $0.daemon?.core }).first(where: { $0.raft.isReadyLeader }),
            votersAreRight(leader)
        else { return false }
        return machines.allSatisfy { machine in
            guard let core = machine.daemon?.core, core.appliedIndex == index else { return false }
            return core.state.jobs.allSatisfy(\.isEnded) && machine.supervisors.processes.isEmpty
        }
    }

    func whatIsLeft() -> String {
        var left: [String] = []
        let unanswered = clients.filter { $0.answer == nil }.count
        if unanswered > 0 { left.append("\(unanswered) requests without an answer") }
        if let leader = machines.compactMap({ $0.daemon?.core }).first(where: { $0.raft.isReadyLeader }) {
            left.append(
                "voters \(leader.raft.membership.voters)\(votersAreRight(leader) ? "" : ", which is not right")")
        }
        for machine in machines {
            guard let core = machine.daemon?.core else {
                left.append("host \(machine.number) is down")
                continue
            }
            let jobs = core.state.jobs.filter { !$0.isEnded }.map { "\($0.id) \($0.state.name)" }
            left.append(
                "host \(machine.number) (\(core.raft.role), applied \(core.appliedIndex)) has jobs \(jobs), processes "
                    + "\(machine.supervisors.processes.map { "\($0.key.job)_\($0.key.task).\($0.key.attempt)" })")
        }
        return left.joined(separator: "; ")
    }

    /// At rest: every member says the same, every acknowledged job is there once, and what is said of it is true.
    func finalContradiction() -> String? {
        guard let state = machines[0].daemon?.core.state else { return "host 1 is down" }
        let digest = state.digest
        for machine in machines where machine.daemon?.core.state.digest != digest {
            return "hosts 1 and \(machine.number) applied the same entries and differ"
        }
        let jobs = state.jobs
        if let contradiction = guestContradiction(jobs) ?? gangContradiction(jobs) { return contradiction }
        for client in clients where client.isSubmit && client.pass == nil {
            guard case .job(let id) = client.answer else {
                return "a submit was refused: \(String(describing: client.answer))"
            }
            let same = jobs.filter { $0.spec.name == client.jobName }.map(\.id)
            if same != [id] {
                return "\(client.jobName ?? "") was acknowledged as job \(id), the state has it as \(same)"
            }
        }
        for job in jobs {
            for index in 0..<job.spec.tasks {
                let key = TaskKey(job: job.id, index: index)
                guard let task = state.task(key) else { return "task \(job.id)_\(index) is lost" }
                if let contradiction = truth.contradiction(key, task) { return contradiction }
            }
        }
        return state.brokenInvariants().first
    }
}
