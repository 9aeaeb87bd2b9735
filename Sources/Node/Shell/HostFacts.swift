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
    /// Whether its owner lets them do anything.
    let owner: HostOwner
    /// The swarmlet that runs here.
    let program: OwnProgram
    private let cpuMillis: UInt64
    private let memoryBytes: UInt64

    /// - Parameters:
    ///   - settings: how the daemon was asked to run.
    ///   - supervisors: the directory below which this daemon's supervisors have theirs.
    init(_ settings: DaemonSettings, supervisors: String, loop: any EventLoop) throws {
        policy = settings.policy
        owner = try HostOwner(settings.owner, loop)
        program = OwnProgram(loop)
        let inventory = HostInventory.current()
        name = inventory.hostName
        cpuMillis = UInt64(inventory.cpus) * 1_000
        memoryBytes = inventory.memoryBytes
        if let simulated = settings.simulatedGPUs {
            devices = HostDevices(simulated: try SimulatedGPUs.parse(simulated, node: inventory.hostName), loop)
        } else {
            devices = try HostDevices(DeviceSurvey(supervisors: supervisors), loop)
        }
        capabilities = HostCapabilities.probe()
    }

    /// What jobs may have of it now.
    var capacity: Capacity {
        let gpus = devices.gpus
        return Capacity(
            cpuMillis: owner.policy.part(of: cpuMillis), memoryBytes: owner.policy.part(of: memoryBytes),
            gpus: Array(gpus.prefix(Int(owner.policy.part(of: UInt64(gpus.count))))), closed: owner.reason)
    }
}
