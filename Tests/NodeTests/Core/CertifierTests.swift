import Codec
import Scheduler
import Testing

@testable import Node

@Suite("Who is certified")
struct CertifierTests {
    @Test("a member is, and nobody who was revoked, has left or never was one")
    func members() throws {
        var state = SchedulerState()
        func run(_ number: UInt64, _ command: Command) {
            _ = state.apply(Entry(request: RequestID(high: 1, low: number), time: Int64(number), command: command))
        }
        func refusal(_ id: UInt64) -> NodeError? {
            do throws(NodeError) {
                _ = try Certifier.member(NodeID(id), in: state)
                return nil
            } catch { return error }
        }
        run(1, .found(meshName: "lab", meshKeyID: "k4.pid.lab", meshKey: Bytes([1]), node: CoreMesh.record(1)))
        for number in 2...4 { run(UInt64(number), .admit(CoreMesh.record(UInt8(number)), invitation: nil)) }
        #expect((1...4).allSatisfy { refusal($0) == nil })
        run(5, .revoke(NodeID(2), by: "ana"))
        run(6, .removeNode(NodeID(3)))
        // Revoked and still in the list of members, until its work is given up.
        #expect(state.members.contains { $0.id == NodeID(2) })
        #expect(refusal(1) == nil && refusal(4) == nil)
        for gone in [2, 3, 9] { #expect(refusal(UInt64(gone))?.code == "mesh.removed") }
        run(7, .removeNode(NodeID(2)))
        #expect(refusal(2)?.code == "mesh.removed")
    }
}
