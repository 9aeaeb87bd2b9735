import Foundation
import Testing

@testable import GPUBackend

@Suite("What a host can do is found by trying")
struct CapabilityTests {
    @Test("root on Linux gets namespaces, and the checks of doctor say what holds")
    func probe() throws {
        let found = HostCapabilities.probe()
        #expect(found.isRoot == SupervisorHarness.isRoot)
        #expect(found.checks.map(\.name) == ["sandbox", "limits"])
        guard found.isRoot else { return }
        #expect(found.isolation == .namespaces)
        #expect(found.isolationLimit == nil)
        // A second look finds the same: looking changes nothing.
        #expect(HostCapabilities.probe() == found)
    }

    @Test("what is weaker is said, and what is not is not")
    func warnings() {
        let found = HostCapabilities.probe()
        #expect(found.warnings.isEmpty == (found.isolation != .group && found.enforcesMemory && found.enforcesCPU))
    }
}
