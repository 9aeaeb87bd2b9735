import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// Tells the members what this node is and bears, and keeps what it was told of them over a restart. Confined to its loop.
final class GossipKeeper: @unchecked Sendable {
    private let node: MeshNode
    private var told: MemberReport?
    /// The number of the last event of gossip that is in the file.
    private var savedUpTo: UInt64 = 0
    private var saveDue: Instant
    /// What the last daemon saved and this one has not yet taken in.
    private var remembered: [SwimRumour] = []

    /// How often the load is looked at.
    private static let interval = Interval.seconds(10)
    /// Until the mesh has made this node a member there is nothing to say.
    private static let firstInterval = Interval.milliseconds(200)
    private static let saveInterval = Interval.seconds(60)
    /// Taken in at a time: the check of a signature takes a twentieth of a millisecond.
    private static let pieceCount = 16

    init(node: MeshNode) {
        self.node = node
        saveDue = node.loop.after(Self.saveInterval)
    }

    func start() {
        if let bytes = node.directory.readIfPresent(node.directory.gossip) {
            do { remembered = try SwimRumour.recalled(bytes) } catch {
                node.log.warning("\(node.directory.gossip) is damaged, the members say anew: \(error.message)")
            }
        }
        node.loop.spawn("gossip") { [self] in
            while node.isRunning {
                tell()
                do {
                    try await recall()
                    if saveDue <= node.loop.now { await save() }
                    try await node.loop.sleep(for: told == nil ? Self.firstInterval : Self.interval)
                } catch {
                    return
                }
            }
        }
    }

    /// Says what is news of this node.
    func tell() {
        guard let record = node.state.node(node.id) else { return }
        let report = MemberReport(
            role: record.role, version: Version.text, capacity: node.host.capacity,
            loadHundredths: Self.loadHundredths(), labels: record.labels,
            certificateExpires: node.certificates.expires, twins: node.peers.twins.map(\.id))
        guard told.map(report.isNews) ?? true else { return }
        told = report
        node.driver.input(.facts(report.facts))
    }

    private static func loadHundredths() -> UInt64 {
        var load = 0.0
        guard getloadavg(&load, 1) == 1, load.isFinite, load > 0 else { return 0 }
        return UInt64(min(load, 1e6) * 100)
    }

    /// What a member said of itself; nil where nothing is known.
    func report(of member: NodeID) -> MemberReport? {
        if member == node.id { return told }
        guard let facts = node.driver.core.swim.member(member)?.facts, !facts.isEmpty else { return nil }
        do { return try MemberReport(encoded: facts) } catch { return nil }
    }

    /// Takes in what was saved, once it can be checked: the members are known, and that they sign.
    private func recall() async throws {
        guard !remembered.isEmpty, node.driver.core.swim.isSigning else { return }
        let rumours = exchange(&remembered, with: [])
        for start in stride(from: 0, to: rumours.count, by: Self.pieceCount) {
            node.driver.input(.recall(Array(rumours[start..<min(start + Self.pieceCount, rumours.count)])))
            try await node.loop.sleep(for: .milliseconds(1))
        }
    }

    /// Writes down what is known of the members where that has changed.
    func save() async {
        let last = node.driver.core.membership.last
        saveDue = node.loop.after(Self.saveInterval)
        guard last != savedUpTo else { return }
        savedUpTo = last
        let rumours = node.driver.core.swim.saved
        let file = node.directory.gossip
        if let failure = await node.loop.offload({ Self.write(rumours, to: file) }) {
            node.log.warning("what is known of the members is not kept: \(failure.message)")
        }
    }

    private static func write(_ rumours: [SwimRumour], to file: String) -> HostError? {
        do throws(HostError) {
            try HostFiles.replace(file, with: SwimRumour.saved(rumours))
            return nil
        } catch {
            return error
        }
    }
}
