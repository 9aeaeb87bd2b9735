import Codec
import Mesh
import Ring
import Scheduler

/// Lets the ranks of a gang that are placed here start together with the others: says that they are ready, chooses where
/// they meet, and waits until all are. Confined to its loop.
final class GangService: @unchecked Sendable {
    private let node: MeshNode
    /// Ports that were chosen and whose rank 0 has not been started yet.
    private var held: [AttemptKey: HeldPort] = [:]

    /// Below the ports that kernels give to those who ask for any (ip(7), ip_local_port_range).
    private static let ports: ClosedRange<UInt16> = 21_000...28_999

    init(node: MeshNode) { self.node = node }

    private var state: SchedulerState { node.state }

    /// Waits until all ranks of the gang could begin.
    func meet(_ key: AttemptKey, _ gang: GangSpec) async throws -> GangSeat {
        var meeting: MeetingPoint?
        if key.task == 0, record(of: key)?.meeting == nil { meeting = try choose(for: key, gang) }
        while true {
            do {
                _ = try await node.driver.carryOut(.rankReady(key, meeting))
                break
            } catch NodeError.noLeader where node.isRunning {
                try Task.checkCancellation()
            }
        }
        while true {
            try Task.checkCancellation()
            guard node.isRunning else { throw NodeError.stopping }
            // What was placed instead of it is on its way here.
            if let record = record(of: key), let meeting = record.meeting, record.mayStart(gang) {
                return GangSeat(
                    gang: gang, rank: key.task, meeting: meeting, interface: try interface(for: key, gang, meeting),
                    gpus: localRanks(of: key, gang).compactMap(state.attempt).flatMap(node.views.gpus))
            }
            try await node.driver.changes.wait()
        }
    }

    /// Its port is for the rank itself from now on, or for nobody.
    func letGo(_ key: AttemptKey) { held[key] = nil }

    /// The hosts of the gang in the order of its nodes, by the address at which the mesh reaches them.
    func hosts(of key: AttemptKey, _ gang: GangSpec) -> [String] {
        (0..<gang.nodes).map { number in
            let rank = AttemptKey(job: key.job, task: number * gang.tasksPerNode, attempt: key.attempt)
            guard let id = state.attempt(rank)?.node else { return "-" }
            if id == node.id, gang.nodes == 1 { return "127.0.0.1" }
            return state.node(id)?.addresses.first.flatMap { address(in: $0)?.host } ?? node.views.nodeName(id)
        }
    }

    /// Which of the gang's hosts somebody means by an address, a name or a number.
    func number(of host: String, for key: AttemptKey, _ gang: GangSpec) throws(NodeError) -> UInt32 {
        let addresses = hosts(of: key, gang)
        let names = (0..<gang.nodes).map { number in
            firstRank(onNode: number, of: key, gang).flatMap { state.attempt($0)?.node }.map(node.views.nodeName) ?? ""
        }
        let found = (0..<gang.nodes).filter { addresses[Int($0)] == host || names[Int($0)] == host }
        if found.count == 1 { return found[0] }
        guard found.isEmpty else { throw .gangHostAmbiguous(host, numbers: found) }
        guard let number = UInt32(host), number < gang.nodes else { throw .gangHostUnknown(host, hosts: addresses) }
        return number
    }

    /// The rank that looks after what is started on a host for the whole gang; nil where this is no attempt of it any more.
    func firstRank(onNode number: UInt32, of key: AttemptKey, _ gang: GangSpec) -> AttemptKey? {
        guard let record = record(of: key), record.ending == nil else { return nil }
        return AttemptKey(job: key.job, task: gang.ranks(ofNode: number).lowerBound, attempt: key.attempt)
    }

    private func record(of key: AttemptKey) -> GangRecord? {
        guard let record = state.job(key.job)?.gang, record.attempt == key.attempt else { return nil }
        return record
    }

    private func localRanks(of key: AttemptKey, _ gang: GangSpec) -> [AttemptKey] {
        gang.ranks(ofNode: gang.nodeRank(of: key.task)).map {
            AttemptKey(job: key.job, task: $0, attempt: key.attempt)
        }
    }

    // MARK: Where they meet

    private func choose(for key: AttemptKey, _ gang: GangSpec) throws -> MeetingPoint {
        let address = try ownAddress(for: key, gang)
        let taken = portsOfGangs()
        let count = UInt64(Self.ports.count)
        // Gangs of one host begin to look at different ports, so that also daemons that share it hardly ever meet.
        let first = (key.job &* 31 &+ UInt64(key.attempt) &* 7 &+ node.id.rawValue &* 1_009) % count
        for step in 0..<count {
            let port = Self.ports.lowerBound + UInt16((first + step) % count)
            guard !taken.contains(port), let free = HeldPort(port) else { continue }
            held[key] = free
            return MeetingPoint(address: address, port: port)
        }
        throw NodeError.noPort(node: node.views.nodeName(node.id))
    }

    /// Those at which gangs meet whose rank 0 is here.
    private func portsOfGangs() -> [UInt16] {
        state.attempts(on: node.id).compactMap { key in
            key.task == 0 ? state.job(key.job)?.gang?.meeting?.port : nil
        }
    }

    /// The address of this host at which the other nodes of the gang reach it.
    private func ownAddress(for key: AttemptKey, _ gang: GangSpec) throws -> String {
        guard gang.nodes > 1 else { return "127.0.0.1" }
        let other = AttemptKey(job: key.job, task: gang.tasksPerNode, attempt: key.attempt)
        if let id = state.attempt(other)?.node, let peer = address(of: id), let own = LocalRoute.source(toward: peer) {
            return Self.plain(own.host)
        }
        guard let own = state.node(node.id)?.addresses.first.flatMap({ address(in: $0) }) else {
            throw NodeError.noMeetingPoint(node: node.views.nodeName(node.id))
        }
        return Self.plain(own.host)
    }

    /// The interface by which this host reaches the others.
    private func interface(for key: AttemptKey, _ gang: GangSpec, _ meeting: MeetingPoint) throws -> String? {
        var own = meeting.address
        if gang.nodeRank(of: key.task) > 0, let master = address(in: meeting.address),
            let source = LocalRoute.source(toward: master)
        {
            own = Self.plain(source.host)
        }
        return try NetworkInterface.all().first { $0.address.host == own }?.name
    }

    private func address(of id: NodeID) -> SocketAddress? {
        (node.peers.address(of: id) ?? state.node(id)?.addresses.first).flatMap { address(in: $0) }
    }

    private func address(in text: String) -> SocketAddress? {
        do throws(RingError) {
            let address = try SocketAddress.parse(text)
            return try SocketAddress.parse(Self.plain(address.host))
        } catch {
            return nil
        }
    }

    /// An address of IPv4 as such, also where it came over a socket for both.
    private static func plain(_ host: String) -> String { host.hasPrefix("::ffff:") ? String(host.dropFirst(7)) : host }
}
