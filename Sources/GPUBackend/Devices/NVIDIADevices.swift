import CLinux
import Glibc
import Scheduler

/// The NVIDIA driver of this host, through its management library (NVML). Confined to one thread, because its calls may
/// take long.
final class NVIDIADevices {
    private var session: OpaquePointer?
    /// Ways between cards do not change; they are asked for once a session.
    private var links: [UInt32: [GPULink]] = [:]
    private let library: String?

    private static let errorBytes = 256

    enum Failure: Error, Hashable {
        /// What the driver said.
        case refused(String)
    }

    /// - Parameter library: another file than the one of the system.
    init(library: String?) { self.library = library }

    deinit { release() }

    /// Lets go of the driver: a card can be reset only when nobody holds it.
    func release() {
        if let session { clinux_nvml_close(session) }
        session = nil
        links = [:]
    }

    /// The cards and instances there are; none where no driver is installed.
    func look() throws(Failure) -> [SeenDevice] {
        guard let session = try opened() else { return [] }
        let most = Int(CLINUX_NVML_DEVICES) * (Int(CLINUX_NVML_INSTANCES) + 1)
        var found = [clinux_nvml_device](repeating: clinux_nvml_device(), count: most)
        var error = [CChar](repeating: 0, count: NVIDIADevices.errorBytes)
        let count = clinux_nvml_survey(session, &found, Int32(most), &error, Int32(error.count))
        guard count >= 0 else {
            // A driver that was exchanged meanwhile answers nobody who knew the old one.
            release()
            throw .refused("NVIDIA driver: \(NVIDIADevices.text(error))")
        }
        let cards = found.prefix(Int(count))
        if links.isEmpty { links = measuredLinks(session, cards) }
        return cards.map(device)
    }

    /// Waits for errors of the cards that the last look found, and takes those that have come; nil where the driver tells
    /// of none, and nothing was waited for.
    func faults(milliseconds: UInt32) -> [DeviceFault]? {
        guard let session else { return nil }
        var faults: [DeviceFault] = []
        var wait = milliseconds
        while faults.count < NVIDIADevices.faultsMax {
            var event = clinux_nvml_event()
            switch clinux_nvml_wait(session, wait, &event) {
            case 1:
                // Errors that ECC found come as XID errors, too, where they matter.
                if event.xid > 0 { faults.append(NVIDIADevices.fault(event)) }
                wait = 0
            case 0: return faults
            default: return nil
            }
        }
        return faults
    }

    /// At most so many are taken at once.
    private static let faultsMax = 256
    private static let wholeCard: UInt32 = 0xffff_ffff

    private static func fault(_ event: clinux_nvml_event) -> DeviceFault {
        DeviceFault(
            card: event.index < 0 ? nil : UInt32(event.index),
            gpuInstance: event.gpu_instance == wholeCard ? nil : event.gpu_instance, xid: event.xid)
    }

    private func opened() throws(Failure) -> OpaquePointer? {
        if let session { return session }
        var error = [CChar](repeating: 0, count: NVIDIADevices.errorBytes)
        var opened: OpaquePointer?
        switch clinux_nvml_open(library, &opened, &error, Int32(error.count)) {
        case 1: session = opened
        case 0: return nil
        default: throw .refused("NVIDIA driver: \(NVIDIADevices.text(error))")
        }
        return session
    }

    private func device(_ found: clinux_nvml_device) -> SeenDevice {
        var found = found
        // Devices that share the memory of the host (GB10) report none of their own.
        let memory = found.memory_bytes > 0 ? found.memory_bytes : HostInventory.current().memoryBytes
        let isLost = found.lost != 0
        var device = SeenDevice(
            card: found.index, uuid: NVIDIADevices.text(&found.uuid),
            model: isLost ? "lost" : NVIDIADevices.text(&found.name), memoryBytes: isLost ? 0 : memory)
        if found.instance >= 0 {
            device.instance = SeenDevice.Instance(
                number: UInt32(found.instance), gpuInstance: found.gpu_instance,
                computeInstance: found.compute_instance)
        }
        let address = NVIDIADevices.text(&found.pci)
        if !address.isEmpty {
            device.pciAddress = address
            device.numaNode = PCIDevice.numaNode(of: "/sys/bus/pci/devices/\(address)")
        }
        device.files = NVIDIADevices.files(found)
        device.links = found.instance < 0 ? links[found.index] ?? [] : []
        device.condition = NVIDIADevices.condition(found)
        if !isLost {
            device.use = DeviceUse(
                utilisation: UInt32(exactly: found.utilisation), usedBytes: UInt64(exactly: found.used_bytes),
                millijoules: UInt64(exactly: found.energy))
        }
        let processes = withUnsafeBytes(of: &found.processes) {
            $0.bindMemory(to: Int32.self).prefix(Int(max(0, found.process_count))).map { $0 }
        }
        device.users = processes
        return device
    }

    /// Those that all cards share, the card's own, and those by which an instance is granted.
    private static func files(_ found: clinux_nvml_device) -> [String] {
        guard found.minor >= 0 else { return [] }
        var files = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia\(found.minor)"]
        if found.instance >= 0 {
            let instance = "gpu\(found.minor)/gi\(found.gpu_instance)"
            let grants = ["\(instance)/access", "\(instance)/ci\(found.compute_instance)/access"]
            files += grants.compactMap(grant).map { "nvidia-caps/nvidia-cap\($0)" }
        }
        return files.map { "/dev/\($0)" }
    }

    /// The number of the file that grants something, from lines like `gpu0/gi1/ci0/access 14` (NVIDIA MIG user guide).
    private static func grant(_ name: String) -> Substring? {
        let lines: String
        do throws(HostError) { lines = try HostFiles.readText("/proc/driver/nvidia-caps/mig-minors") } catch {
            return nil
        }
        for line in lines.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == name { return words[1] }
        }
        return nil
    }

    private static func condition(_ found: clinux_nvml_device) -> SeenDevice.Condition {
        if found.lost != 0 { return .lost }
        if found.remapping_failed != 0 { return .wornOut }
        switch found.recovery_action {
        case 0: return found.divided != 0 ? .divided : .works
        case -1: return found.divided != 0 ? .divided : .worksAsFarAsKnown
        case 2, 7: return .wants(.reboot)
        case 3, 4: return .wants(.drain)
        default: return .wants(.reset)
        }
    }

    private func measuredLinks(
        _ session: OpaquePointer, _ devices: ArraySlice<clinux_nvml_device>
    ) -> [UInt32: [GPULink]] {
        let cards = devices.filter { $0.instance < 0 && $0.lost == 0 }.map(\.index)
        var ways: [UInt32: [GPULink]] = [:]
        for (position, first) in cards.enumerated() {
            for second in cards[(position + 1)...] {
                var count: Int32 = 0
                let distance = clinux_nvml_distance(session, first, second, &count)
                guard let path = NVIDIADevices.path(distance: distance, links: count) else { continue }
                ways[first, default: []].append(GPULink(peer: second, path: path))
            }
        }
        return ways
    }

    private static func path(distance: Int32, links: Int32) -> String? {
        if links > 0 { return "NV\(links)" }
        return switch Int(distance) {
        case Int(CLINUX_NVML_SAME_BOARD), Int(CLINUX_NVML_ONE_SWITCH): "PIX"
        case Int(CLINUX_NVML_SWITCHES): "PXB"
        case Int(CLINUX_NVML_HOST_BRIDGE): "PHB"
        case Int(CLINUX_NVML_NUMA_NODE): "NODE"
        case Int(CLINUX_NVML_SYSTEM): "SYS"
        default: nil
        }
    }

    private static func text(_ bytes: [CChar]) -> String {
        String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func text<Tuple>(_ field: inout Tuple) -> String {
        withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
