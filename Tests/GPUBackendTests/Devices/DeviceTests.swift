import Testing

@testable import GPUBackend

@Suite("Devices are named so that people and programs find them")
struct DeviceTests {
    @Test("simulated devices say so, and a known model has the memory it is sold with")
    func simulated() throws {
        let found = try SimulatedGPUs.parse("2:rtx-3090", node: "owl")
        #expect(found.map(\.model) == ["RTX 3090", "RTX 3090"])
        #expect(found.allSatisfy { $0.simulated && $0.memoryBytes == 24 << 30 })
        #expect(found.map(\.index) == [0, 1])
        #expect(found.map(\.uuid) == ["SIMULATED-owl-0", "SIMULATED-owl-1"])
        #expect(try SimulatedGPUs.parse("3", node: "owl").count == 3)
        #expect(try SimulatedGPUs.parse("1:Mystery 9000", node: "owl").first?.model == "Mystery 9000")
        #expect(try SimulatedGPUs.parse("0", node: "owl").isEmpty)
    }

    @Test(
        "a text that names no devices is refused with what to write",
        arguments: ["", "x", "-1", "65", "2:", ":A100", "2x"])
    func refused(text: String) {
        #expect(throws: HostError.badSimulatedGPUs(text)) { try SimulatedGPUs.parse(text, node: "owl") }
    }

    @Test(
        "the driver's name loses what every card has in front, and the size that is said beside it",
        arguments: [
            ("NVIDIA GeForce RTX 3090", "RTX 3090"), ("NVIDIA A100-SXM4-80GB", "A100-SXM4"), ("Tesla T4", "T4"),
            ("NVIDIA H100 80GB HBM3", "H100"), ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "A100-SXM4 MIG 1g.5gb"),
            ("NVIDIA GB10", "GB10"), ("AMD Radeon RX 7900 XTX", "RX 7900 XTX"), ("NVIDIA", "NVIDIA"),
            ("NVIDIA 80GB", "NVIDIA 80GB"),
        ])
    func model(name: String, model: String) {
        #expect(DeviceModel.text(name) == model)
    }

    @Test("this host has a name, CPUs and memory")
    func inventory() {
        let host = HostInventory.current()
        #expect(!host.hostName.isEmpty && host.cpus > 0 && host.memoryBytes > 1 << 20 && !host.kernel.isEmpty)
    }
}
