import Codec
import GPUBackend
import Ring
import Scheduler

/// What this host has and can enforce: found at the start of a daemon, devices watched from then on.
struct HostFacts: Sendable {
    let name: String
    let devices: HostDevices
    let capabilities: HostCapabilities
    /// What its owner lets jobs do.
    let policy: HostPolicy
    private let cpuMillis: UInt64
    private let memoryBytes: UInt64

    /// - Parameters:
    ///   - simulated: devices that are not there, as `--simulate-gpus` took them; nil: those of this host.
    ///   - supervisors: the directory below which this daemon's supervisors have theirs.
    init(simulated: String?, policy: HostPolicy, supervisors: String, loop: any EventLoop) throws {
        self.policy = policy
        let inventory = HostInventory.current()
        name = inventory.hostName
        cpuMillis = UInt64(inventory.cpus) * 1_000
        memoryBytes = inventory.memoryBytes
        if let simulated {
            devices = HostDevices(simulated: try SimulatedGPUs.parse(simulated, node: inventory.hostName), loop)
        } else {
            devices = try HostDevices(DeviceSurvey(supervisors: supervisors), loop)
        }
        capabilities = HostCapabilities.probe()
    }

    /// What jobs may have of it now.
    var capacity: Capacity { Capacity(cpuMillis: cpuMillis, memoryBytes: memoryBytes, gpus: devices.gpus) }
}
