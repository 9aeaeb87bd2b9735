import Glibc
import Scheduler

/// AMD devices through sysfs; no library of theirs is needed (docs.kernel.org/gpu/amdgpu/driver-misc).
struct AMDDevices {
    /// Where sysfs is.
    let root: String

    private static let maker = "0x1002"
    /// What processors with graphics set aside of the host's memory is less, and is no card.
    private static let leastBytes: UInt64 = 1 << 30

    /// The cards there are, by their place on the bus, which is the order ROCm counts in.
    ///
    /// - Parameter firstNumber: of the first card, where others have the numbers before it.
    func look(firstNumber: UInt32) -> [SeenDevice] {
        let keys = processKeys()
        let cards = directories.compactMap { name -> SeenDevice? in
            let directory = "\(root)/class/drm/\(name)/device"
            guard PCIDevice.text("\(directory)/vendor") == AMDDevices.maker,
                let memory = PCIDevice.text("\(directory)/mem_info_vram_total").flatMap({ UInt64($0) }),
                memory >= AMDDevices.leastBytes, let address = address(directory)
            else { return nil }
            let serial = PCIDevice.text("\(directory)/unique_id")
            var card = SeenDevice(
                maker: .amd, card: 0, uuid: "GPU-\(serial ?? address)",
                model: PCIDevice.text("\(directory)/product_name")
                    ?? "AMD \(PCIDevice.text("\(directory)/device") ?? name)",
                memoryBytes: memory)
            card.pciAddress = address
            card.numaNode = PCIDevice.numaNode(of: directory)
            card.files =
                ["/dev/kfd", "/dev/dri/\(name)"]
                + names("\(directory)/drm").filter { $0.hasPrefix("renderD") }.map { "/dev/dri/\($0)" }
            card.condition = .worksAsFarAsKnown
            card.use = DeviceUse(
                utilisation: PCIDevice.text("\(directory)/gpu_busy_percent").flatMap { UInt32($0) },
                usedBytes: PCIDevice.text("\(directory)/mem_info_vram_used").flatMap { UInt64($0) })
            card.users = keys[address].map(processes) ?? []
            return card
        }
        return cards.sorted { ($0.pciAddress ?? "") < ($1.pciAddress ?? "") }.enumerated().map { number, card in
            var card = card
            card.card = firstNumber + UInt32(number)
            return card
        }
    }

    /// `card0`, not its outputs `card0-DP-1`.
    private var directories: [String] {
        names("\(root)/class/drm").filter { $0.hasPrefix("card") && $0.dropFirst(4).allSatisfy(\.isNumber) }
    }

    private func names(_ path: String) -> [String] {
        do throws(HostError) { return try HostFiles.names(in: path) } catch { return [] }
    }

    /// "0000:03:00.0", to which the link `device` leads.
    private func address(_ link: String) -> String? {
        guard let resolved = realpath(link, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved).split(separator: "/").last.map(String.init)
    }

    /// What the compute driver calls each card where it counts processes, by the card's place on the bus.
    private func processKeys() -> [String: String] {
        let nodes = "\(root)/class/kfd/kfd/topology/nodes"
        var keys: [String: String] = [:]
        for node in names(nodes) {
            guard let key = PCIDevice.text("\(nodes)/\(node)/gpu_id"), key != "0" else { continue }
            let facts = properties("\(nodes)/\(node)/properties")
            guard let location = facts["location_id"] else { continue }
            // Bus in the upper byte, device and function in the lower one.
            let parts = [(location >> 8) & 0xff, (location >> 3) & 0x1f].map(AMDDevices.twoDigits)
            let domain =
                AMDDevices.twoDigits(((facts["domain"] ?? 0) >> 8) & 0xff)
                + AMDDevices.twoDigits((facts["domain"] ?? 0) & 0xff)
            keys["\(domain):\(parts[0]):\(parts[1]).\(location & 7)"] = key
        }
        return keys
    }

    private static func twoDigits(_ value: UInt64) -> String {
        let text = String(value, radix: 16)
        return text.utf8.count < 2 ? "0\(text)" : text
    }

    private func properties(_ path: String) -> [String: UInt64] {
        let text: String
        do throws(HostError) { text = try HostFiles.readText(path) } catch { return [:] }
        var facts: [String: UInt64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, let value = UInt64(words[1]) { facts[String(words[0])] = value }
        }
        return facts
    }

    /// Processes that hold memory of the card.
    private func processes(_ key: String) -> [Int32] {
        let directory = "\(root)/class/kfd/kfd/proc"
        return names(directory).compactMap { name in
            guard let process = Int32(name),
                let held = PCIDevice.text("\(directory)/\(name)/vram_\(key)").flatMap({ UInt64($0) }), held > 0
            else { return nil }
            return process
        }
    }
}
