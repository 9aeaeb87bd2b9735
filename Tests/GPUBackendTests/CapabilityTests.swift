import Foundation
import Testing

@testable import GPUBackend

@Suite("What a host can do is found by trying")
struct CapabilityTests {
    @Test("the strongest isolation that works is taken, and the checks of doctor say what holds")
    func probe() throws {
        let found = HostCapabilities.probe()
        #expect(found.isRoot == SupervisorHarness.isRoot)
        #expect(found.checks.map(\.name) == ["sandbox", "limits"])
        #expect(found.isolation == SupervisorHarness.isolations[0])
        #expect((found.isolationLimit == nil) == (found.isolation == (found.isRoot ? .namespaces : .userNamespace)))
        // A second look finds the same: looking changes nothing.
        #expect(HostCapabilities.probe() == found)
    }

    @Test("what is weaker is said, and what is not is not")
    func warnings() {
        let found = HostCapabilities.probe()
        #expect(found.warnings.isEmpty == (found.standardLimit == nil && found.enforcesMemory && found.enforcesCPU))
    }
}
