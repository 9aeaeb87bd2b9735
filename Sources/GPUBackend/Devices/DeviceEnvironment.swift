import CLinux
import Glibc
import Scheduler

/// The devices that this host offers to jobs.
public struct DeviceInventory: Hashable, Sendable {
    /// In the order of their index.
    public var gpus: [GPU]
    /// Why devices could not be listed although their driver's library is there, in words; nil otherwise.
    public var problem: String?

    public init(gpus: [GPU], problem: String? = nil) {
        self.gpus = gpus
        self.problem = problem
    }

    private static let deviceMaximum: Int32 = 64
    private static let errorBytes = 256

    /// The NVIDIA devices of this host; none where the driver is not installed. It may take some tenths of a second.
    public static func nvidia() -> DeviceInventory {
        var found = [clinux_nvidia](repeating: clinux_nvidia(), count: Int(deviceMaximum))
        var error = [CChar](repeating: 0, count: errorBytes)
        let count = clinux_nvidia_list(&found, deviceMaximum, &error, Int32(errorBytes))
        if count < 0 {
            let text = String(decoding: error.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return DeviceInventory(gpus: [], problem: "NVIDIA driver: \(text)")
        }
        return DeviceInventory(gpus: found.prefix(Int(count)).map(gpu))
    }

    private static func gpu(_ device: clinux_nvidia) -> GPU {
        var device = device
        let name = withUnsafeBytes(of: &device.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let uuid = withUnsafeBytes(of: &device.uuid) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        // Devices that share the memory of the host (GB10) report none of their own.
        let memory = device.memory_bytes > 0 ? device.memory_bytes : HostInventory.current().memoryBytes
        return GPU(index: device.index, uuid: uuid, model: model(name), memoryBytes: memory)
    }

    /// As people call it: the maker and the product line in front say nothing on a GPU list.
    static func model(_ name: String) -> String {
        var model = name[...]
        for prefix in ["NVIDIA ", "GeForce ", "Tesla ", "Quadro "] where model.hasPrefix(prefix) {
            model = model.dropFirst(prefix.count)
        }
        return model.isEmpty ? name : String(model)
    }

    /// The environment that shows exactly these devices to a command: none hides all others, too.
    ///
    /// Devices are named by UUID, because indices change their meaning between programs (CUDA C++ guide, environment
    /// variables). Simulated ones name no device that a library could open, so `SWARMLET_GPUS` alone tells of them.
    public static func environment(for gpus: [GPU]) -> [String] {
        let real = gpus.filter { !$0.simulated }.map(\.uuid).joined(separator: ",")
        let all = gpus.map { "\($0.index):\($0.model)\($0.simulated ? ":simulated" : "")" }.joined(separator: ",")
        return [
            "CUDA_VISIBLE_DEVICES=\(real)", "NVIDIA_VISIBLE_DEVICES=\(real.isEmpty ? "none" : real)",
            "SWARMLET_GPUS=\(all)",
        ]
    }
}
