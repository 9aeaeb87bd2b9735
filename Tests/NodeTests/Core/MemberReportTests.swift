import Codec
import Mesh
import Scheduler
import Testing

@testable import Node

@Suite("What members know of each other by gossip")
struct MemberReportTests {
    private func report(load: UInt64 = 320, labels: Int = 1) -> MemberReport {
        var capacity = Capacity(cpuMillis: 8_000, memoryBytes: 1 << 34)
        capacity.gpus = (0..<3).map {
            GPU(index: $0, uuid: "GPU-\($0)", model: $0 < 2 ? "H100" : "A100", memoryBytes: 80 << 30)
        }
        return MemberReport(
            role: .worker, version: "0.1.0", capacity: capacity, loadHundredths: load,
            labels: (0..<labels).map { Label(name: "name-\($0)", value: "value-\($0)") })
    }

    @Test("a report is read back, and reads as one line")
    func reading() throws {
        let report = report()
        #expect(try MemberReport(encoded: report.facts) == report)
        var ending = report
        ending.certificateExpires = 1_795_000_000
        #expect(try MemberReport(encoded: ending.facts) == ending)
        #expect(ending.isNews(after: report))
        #expect(report.text == "load 3.2 of 8 CPUs, 2 H100, 1 A100, swarmlet 0.1.0, worker, name-0=value-0")
    }

    @Test("a host with more labels than there is room for tells of as many as there is")
    func bounds() throws {
        let long = report(labels: 60)
        #expect(long.facts.count <= SwimConstants.factBytesMax)
        let read = try MemberReport(encoded: long.facts)
        #expect(read.labels == Array(long.labels.prefix(read.labels.count)))
        #expect(read.labels.count > 5 && read.devices == long.devices)
    }

    @Test("a load that moves a little is no news; much, or anything else, is")
    func news() {
        #expect(!report(load: 320).isNews(after: report(load: 130)))
        #expect(report(load: 320).isNews(after: report(load: 110)))
        #expect(report(labels: 2).isNews(after: report()))
    }

    @Test("what a node says of itself is known to all, and one whose daemon stops has left at once, for all")
    func goodbye() throws {
        let mesh = try CoreMesh()
        for _ in 0..<3 { try mesh.admit() }
        #expect(
            mesh.run(seconds: 10) { (2...4).allSatisfy { mesh[1].swim.member(NodeID(UInt64($0)))?.isUnheard == false } }
        )
        mesh.handle(NodeID(2), .facts(report().facts))
        let others = [1, 3, 4]
        #expect(mesh.run(seconds: 2) { others.allSatisfy { mesh[$0].swim.member(NodeID(2))?.facts == report().facts } })
        let before = mesh.now
        mesh.handle(NodeID(2), .goodbye)
        #expect(mesh.run(seconds: 1) { others.allSatisfy { mesh[$0].swim.state(of: NodeID(2)) == .left } })
        #expect(mesh.now - before < .milliseconds(100))
        let suspicions = others.flatMap { mesh.effects[NodeID(UInt64($0))] ?? [] }.filter {
            if case .membership(let event) = $0, case .suspected = event.kind { return event.member == NodeID(2) }
            return false
        }
        #expect(suspicions.isEmpty)
    }

    @Test("what a daemon knew of the members its next one knows again, and passes nothing of it on")
    func recall() throws {
        let mesh = try CoreMesh()
        for _ in 0..<2 { try mesh.admit() }
        mesh.handle(NodeID(3), .facts(report().facts))
        #expect(mesh.run(seconds: 10) { mesh[1].swim.member(NodeID(3))?.facts == report().facts })
        mesh.handle(NodeID(3), .goodbye)
        #expect(mesh.run(seconds: 1) { mesh[1].swim.state(of: NodeID(3)) == .left })
        let saved = try SwimRumour.recalled(SwimRumour.saved(mesh[1].swim.saved))
        #expect(saved == mesh[1].swim.saved)
        var next = SwimCore(id: NodeID(1), generation: 50, seal: CoreMesh.seal, seed: 3, now: .zero)
        var effects: [SwimEffect] = []
        next.handle(.members((1...3).map { SwimPeer(id: NodeID($0)) }), at: .zero, into: &effects)
        next.handle(.signaturesKnown, at: .zero, into: &effects)
        next.handle(.restore(saved), at: .zero, into: &effects)
        #expect(next.state(of: NodeID(3)) == .left)
        #expect(next.member(NodeID(3))?.facts == report().facts)
    }
}
