import Codec
import Scheduler

/// What is known of this host's devices: a core that is fed with looks at the hardware and with errors of drivers, and
/// says which devices jobs may have.
///
/// A device that had an error is taken from new jobs at once and given back when its driver says that nothing needs to
/// be done; a driver that does not say so is not second-guessed. Nothing is ever forgotten silently: a device that the
/// driver does not list any more stays, with the reason.
public struct DeviceWatch: Sendable {
    /// In the order of their index.
    public private(set) var gpus: [GPU] = []
    /// Why devices could not be listed although their driver's library is there; nil otherwise.
    public private(set) var problem: String?

    private var tracked: [Tracked] = []

    private struct Tracked {
        var seen: SeenDevice
        /// Errors not yet cleared, in the order of their coming, each once.
        var xids: [UInt64] = []
        /// Looks since the last error.
        var looksSinceFault = 0
        /// Looks in a row that found strangers on it.
        var looksWithStrangers = 0
        var isGone = false
        var isReadable = true
    }

    /// After an error a driver is believed that nothing needs to be done once it has said so this many times.
    private static let looksToTrust = 2
    /// A process that has just ended may still be seen once.
    private static let looksToBlame = 2

    public init() {}

    /// All devices of this host, as found now.
    public mutating func look(_ seen: [SeenDevice]) {
        problem = nil
        for position in tracked.indices {
            tracked[position].isReadable = true
            tracked[position].isGone = !seen.contains { $0.index == tracked[position].seen.index }
        }
        for device in seen { take(device) }
        // Instances come and go as their owner divides the card anew; a card does not.
        tracked.removeAll { $0.isGone && $0.seen.instance != nil }
        settle()
    }

    /// An error that a driver reported.
    public mutating func report(_ fault: DeviceFault) {
        guard !fault.isOfProgram else { return }
        for position in tracked.indices where fault.concerns(tracked[position].seen) {
            tracked[position].looksSinceFault = 0
            if !tracked[position].xids.contains(fault.xid) { tracked[position].xids.append(fault.xid) }
        }
        settle()
    }

    /// The devices of one maker could not be looked at: none of them can be trusted until they can.
    public mutating func fail(_ maker: GPU.Maker, _ reason: String) {
        problem = reason
        for position in tracked.indices where tracked[position].seen.maker == maker {
            tracked[position].isReadable = false
        }
        settle()
    }

    /// What a program opens to use these devices, each once; some may not be there.
    public func files(of indices: [UInt32]) -> [String] {
        var files: [String] = []
        for device in tracked where indices.contains(device.seen.index) {
            files += device.seen.files.filter { !files.contains($0) }
        }
        return files
    }

    /// Some device waits to be reset: nobody may hold its driver meanwhile.
    public var waitsForReset: Bool {
        tracked.contains { device in
            switch device.seen.condition {
            case .wants(.reset), .wants(.drain), .lost: true
            case .worksAsFarAsKnown: !device.xids.isEmpty
            case .works, .wornOut, .wants(.reboot), .divided: false
            }
        }
    }

    private mutating func take(_ device: SeenDevice) {
        guard let position = tracked.firstIndex(where: { $0.seen.index == device.index }) else {
            var new = Tracked(seen: device)
            // Whoever is there before us was there first.
            new.looksWithStrangers = device.strangers.isEmpty ? 0 : DeviceWatch.looksToBlame
            return tracked.append(new)
        }
        var known = tracked[position]
        if device.condition == .lost {
            known.seen.condition = .lost
            known.seen.strangers = []
        } else if device.uuid != known.seen.uuid {
            // Another card in the same slot has another past.
            known = Tracked(seen: device)
        } else {
            known.seen = device
        }
        known.looksWithStrangers = device.strangers.isEmpty ? 0 : known.looksWithStrangers + 1
        known.looksSinceFault += 1
        if device.condition == .works, known.looksSinceFault >= DeviceWatch.looksToTrust { known.xids = [] }
        tracked[position] = known
    }

    private mutating func settle() {
        let divided = Set(tracked.filter { $0.seen.instance != nil }.map(\.seen.card))
        gpus = tracked.filter { $0.seen.instance != nil || !divided.contains($0.seen.card) }.map(gpu)
            .sorted { $0.index < $1.index }
    }

    private func gpu(_ device: Tracked) -> GPU {
        let seen = device.seen
        var gpu = GPU(
            index: seen.index, uuid: seen.uuid, model: DeviceModel.text(seen.model), memoryBytes: seen.memoryBytes)
        gpu.maker = seen.maker
        gpu.pciAddress = seen.pciAddress
        gpu.numaNode = seen.numaNode
        gpu.links = seen.links
        gpu.obstacle = obstacle(of: device)
        return gpu
    }

    private func obstacle(of device: Tracked) -> GPUObstacle? {
        let number = device.seen.card
        let reset = "reset it: nvidia-smi --gpu-reset -i \(number)"
        if device.isGone { return GPUObstacle(.unhealthy, "its driver does not list it any more") }
        guard device.isReadable else { return GPUObstacle(.unhealthy, problem ?? "its driver does not answer") }
        let fault = device.xids.isEmpty ? nil : "XID \(device.xids.map(String.init).joined(separator: ", "))"
        switch device.seen.condition {
        case .lost:
            return GPUObstacle(.unhealthy, "\(fault ?? "lost"); its driver cannot reach it: reboot this host")
        case .wornOut:
            return GPUObstacle(.unhealthy, "rows of its memory are broken and could not be replaced: exchange it")
        case .wants(.reset): return GPUObstacle(.unhealthy, "\(fault ?? "it had an error"); \(reset)")
        case .wants(.drain):
            return GPUObstacle(.unhealthy, "\(fault ?? "a neighbour had an error"); end all work here, then \(reset)")
        case .wants(.reboot): return GPUObstacle(.unhealthy, "\(fault ?? "it had an error"); reboot this host")
        case .divided:
            return GPUObstacle(
                .unhealthy, "it is divided (MIG) and has no instances: nvidia-smi mig -i \(number) -cgi 0 -C")
        case .works:
            if let fault { return GPUObstacle(.unhealthy, "\(fault); its driver looks into it") }
        case .worksAsFarAsKnown:
            if let fault { return GPUObstacle(.unhealthy, "\(fault); \(reset), then restart swarmlet's daemon") }
        }
        guard device.looksWithStrangers >= DeviceWatch.looksToBlame, let first = device.seen.strangers.first else {
            return nil
        }
        let others = device.seen.strangers.count - 1
        return GPUObstacle(
            .inUse, "in use by \(first.user) (\(first.process))\(others > 0 ? " and \(others) more" : "")")
    }
}

extension DeviceFault {
    fileprivate func concerns(_ device: SeenDevice) -> Bool {
        guard let card else { return true }
        guard card == device.card else { return false }
        guard let gpuInstance, let instance = device.instance else { return true }
        return instance.gpuInstance == gpuInstance
    }
}
