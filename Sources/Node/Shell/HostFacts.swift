import Codec
import GPUBackend
import Scheduler

/// What this host has and can enforce, found once at the start of a daemon.
struct HostFacts: Sendable {
    let name: String
    let capacity: Capacity
    let capabilities: HostCapabilities
    /// Why devices could not be listed although their driver is there.
    let deviceProblem: String?

    /// - Parameter simulated: devices that are not there, as `--simulate-gpus` took them; nil: those of this host.
    init(simulated: String?) throws {
        let inventory = HostInventory.current()
        name = inventory.hostName
        let devices = try simulated.map { text throws(HostError) in
            DeviceInventory(gpus: try SimulatedGPUs.parse(text, node: inventory.hostName))
        }
        let found = devices ?? .nvidia()
        capacity = Capacity(
            cpuMillis: UInt64(inventory.cpus) * 1_000, memoryBytes: inventory.memoryBytes, gpus: found.gpus)
        deviceProblem = found.problem
        capabilities = HostCapabilities.probe()
    }
}
