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
        "the driver's name loses what every card has in front",
        arguments: [
            ("NVIDIA GeForce RTX 3090", "RTX 3090"), ("NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB"), ("Tesla T4", "T4"),
            ("NVIDIA", "NVIDIA"),
        ])
    func model(name: String, model: String) {
        #expect(DeviceInventory.model(name) == model)
    }

    @Test("a command sees its devices by UUID and no others; simulated ones only in SWARMLET_GPUS")
    func environment() throws {
        var real = try SimulatedGPUs.parse("2:L40S", node: "owl")
        for index in real.indices {
            real[index].simulated = false
            real[index].uuid = "GPU-\(index)"
        }
        #expect(DeviceInventory.environment(for: real)[0] == "CUDA_VISIBLE_DEVICES=GPU-0,GPU-1")
        let simulated = DeviceInventory.environment(for: try SimulatedGPUs.parse("1:L40S", node: "owl"))
        #expect(
            simulated == ["CUDA_VISIBLE_DEVICES=", "NVIDIA_VISIBLE_DEVICES=none", "SWARMLET_GPUS=0:L40S:simulated"])
    }

    @Test("this host has a name, CPUs and memory, and listing its devices is no error without a driver")
    func inventory() {
        let host = HostInventory.current()
        #expect(!host.hostName.isEmpty && host.cpus > 0 && host.memoryBytes > 1 << 20 && !host.kernel.isEmpty)
        #expect(DeviceInventory.nvidia().problem == nil)
    }
}
