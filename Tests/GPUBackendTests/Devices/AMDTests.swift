import Foundation
import Testing

@testable import GPUBackend

@Suite("AMD devices are read from sysfs")
struct AMDTests {
    private final class Tree {
        let root = NSTemporaryDirectory() + "sysfs-\(UUID().uuidString)"

        func write(_ path: String, _ text: String) throws {
            let url = URL(filePath: root + "/" + path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try (text + "\n").write(to: url, atomically: true, encoding: .utf8)
        }

        func card(_ number: Int, at address: String, _ facts: [String: String]) throws {
            for (name, value) in facts { try write("devices/\(address)/\(name)", value) }
            try FileManager.default.createDirectory(
                atPath: root + "/class/drm/card\(number)", withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(
                atPath: root + "/class/drm/card\(number)/device",
                withDestinationPath: "../../../devices/\(address)")
        }

        deinit {
            do { try FileManager.default.removeItem(atPath: root) } catch {
                // The system clears its temporary directory.
            }
        }
    }

    private func machine() throws -> Tree {
        let tree = Tree()
        try tree.card(
            1, at: "0000:83:00.0",
            [
                "vendor": "0x1002", "mem_info_vram_total": "206141652992", "unique_id": "9f1c2b3a4d5e6f70",
                "product_name": "AMD Instinct MI300X", "numa_node": "1",
            ])
        try tree.card(
            0, at: "0000:03:00.0",
            ["vendor": "0x1002", "mem_info_vram_total": "25753026560", "device": "0x744c", "numa_node": "-1"])
        try tree.card(2, at: "0000:05:00.0", ["vendor": "0x1002", "mem_info_vram_total": "536870912"])
        try tree.card(3, at: "0000:06:00.0", ["vendor": "0x8086", "mem_info_vram_total": "17179869184"])
        try tree.write("class/drm/card0-DP-1/status", "connected")
        try tree.write("class/kfd/kfd/topology/nodes/1/gpu_id", "51234")
        try tree.write("class/kfd/kfd/topology/nodes/1/properties", "location_id 33536\ndomain 0\nsimd_count 304")
        return tree
    }

    @Test("cards in the order of the bus, without processors' own graphics and other makers' cards")
    func cards() throws {
        let tree = try machine()
        let seen = AMDDevices(root: tree.root).look(firstNumber: 0)
        #expect(seen.map(\.index) == [0, 1])
        #expect(seen.map(\.pciAddress) == ["0000:03:00.0", "0000:83:00.0"])
        #expect(seen.map(\.uuid) == ["GPU-0000:03:00.0", "GPU-9f1c2b3a4d5e6f70"])
        #expect(seen.map(\.model) == ["AMD 0x744c", "AMD Instinct MI300X"])
        #expect(seen.map(\.numaNode) == [nil, 1])
        #expect(seen.allSatisfy { $0.maker == .amd })
    }

    @Test("who holds memory of a card computes on it")
    func users() throws {
        let tree = try machine()
        let own = ProcessInfo.processInfo.processIdentifier
        try tree.write("class/kfd/kfd/proc/\(own)/vram_51234", "4096")
        try tree.write("class/kfd/kfd/proc/1/vram_51234", "0")
        let survey = DeviceSurvey(supervisors: "/", sysfs: tree.root, nvidiaLibrary: "/nonexistent/libnvidia-ml.so")
        let seen = survey.round(waitMilliseconds: 0).seen
        #expect(seen.map { $0.strangers.map(\.process) } == [[], [own]])
    }

    @Test("a host without such cards has none")
    func none() {
        #expect(AMDDevices(root: "/nonexistent").look(firstNumber: 0).isEmpty)
    }
}
