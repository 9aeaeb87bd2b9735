import Codec

/// Whether a task fits on a node, and what is missing where it does not.
struct Fit: Hashable {
    var lacksCPUs: Bool
    var lacksMemory: Bool
    var lacksGPUs: Bool

    var isPossible: Bool { !lacksCPUs && !lacksMemory && !lacksGPUs }
    var lackCount: Int { (lacksCPUs ? 1 : 0) + (lacksMemory ? 1 : 0) + (lacksGPUs ? 1 : 0) }

    /// `room` is what is free of `capacity`, or `capacity` itself to ask whether it could ever fit.
    init(_ resources: Resources, into room: Capacity, of capacity: Capacity) {
        lacksCPUs = resources.cpuMillis > room.cpuMillis
        lacksMemory = MemoryRule.bytes(for: resources, on: capacity) > room.memoryBytes
        lacksGPUs = resources.gpus > 0 && Fit.usable(room.gpus, for: resources).count < Int(resources.gpus)
    }

    static func everFits(_ resources: Resources, _ capacity: Capacity) -> Bool {
        Fit(resources, into: capacity, of: capacity).isPossible
    }

    /// Devices that are large enough.
    static func usable(_ gpus: [GPU], for resources: Resources) -> [GPU] {
        guard let least = resources.gpuMemoryBytes else { return gpus }
        return gpus.filter { $0.marketedMemoryBytes >= least }
    }

    /// Nil where some member could hold such a task when empty, even a lost one; else the refusal that names the
    /// nearest.
    static func refusal(of resources: Resources, by state: SchedulerState) -> SchedulerError? {
        var nearest: (member: NodeRecord, fit: Fit)?
        var isPossible = false
        state.nodeRows.forEach(from: nil) { (_, row) in
            guard row.record.presence != .left, row.record.mayRunWork else { return true }
            let fit = Fit(resources, into: row.record.capacity, of: row.record.capacity)
            isPossible = fit.isPossible
            if isPossible { return false }
            if let best = nearest, !isNearer((row.record, fit), than: best, resources) { return true }
            nearest = (row.record, fit)
            return true
        }
        if isPossible { return nil }
        guard let (member, fit) = nearest else {
            return .neverFits(
                asks: describe(resources), nearest: "none, the mesh has no members",
                wayOut: "add a host: swarmlet invite; or wait for one: --allow-pending")
        }
        let flags = smaller(resources, fit, member.capacity)
        let wayOut =
            flags.isEmpty
            ? "add a host that has it: swarmlet invite; or wait for one: --allow-pending"
            : "it fits with \(flags.joined(separator: " ")). To wait for a larger host: --allow-pending"
        return .neverFits(
            asks: describe(resources), nearest: "\(member.name) with \(describe(member.capacity))", wayOut: wayOut)
    }

    static func isNearer(
        _ left: (member: NodeRecord, fit: Fit), than right: (member: NodeRecord, fit: Fit), _ resources: Resources
    ) -> Bool {
        if left.fit.lackCount != right.fit.lackCount { return left.fit.lackCount < right.fit.lackCount }
        let leftGPUs = usable(left.member.capacity.gpus, for: resources).count
        let rightGPUs = usable(right.member.capacity.gpus, for: resources).count
        if leftGPUs != rightGPUs, resources.gpus > 0 { return leftGPUs > rightGPUs }
        if left.member.capacity.cpuMillis != right.member.capacity.cpuMillis {
            return left.member.capacity.cpuMillis > right.member.capacity.cpuMillis
        }
        return left.member.capacity.memoryBytes > right.member.capacity.memoryBytes
    }

    /// The flags that would make it fit on this node; empty where it has nothing of a kind.
    static func smaller(_ resources: Resources, _ fit: Fit, _ capacity: Capacity) -> [String] {
        var flags: [String] = []
        if fit.lacksGPUs {
            let usable = usable(capacity.gpus, for: resources).count
            if usable > 0 {
                flags.append("--gpus \(usable)")
            } else if let largest = capacity.gpus.map(\.marketedMemoryBytes).max(),
                capacity.gpus.count >= Int(resources.gpus)
            {
                flags.append("--gpu-mem \(largest >> 30)G")
            } else {
                return []
            }
        }
        if fit.lacksCPUs { flags.append("--cpus \(Wording.cpus(capacity.cpuMillis))") }
        if fit.lacksMemory { flags.append("--mem \(capacity.memoryBytes >> 30)G") }
        return flags
    }

    /// "8 CPUs, 32 GiB and 2 GPUs with 24 GiB".
    static func describe(_ resources: Resources) -> String {
        var parts = [Wording.cpuCount(resources.cpuMillis)]
        if let memory = resources.memoryBytes { parts.append(Wording.size(memory)) }
        if resources.gpus > 0 { parts.append(describeGPUs(resources)) }
        return Wording.joined(parts)
    }

    /// "1 GPU", "2 GPUs with 24 GiB".
    static func describeGPUs(_ resources: Resources) -> String {
        let count = Wording.count(UInt64(resources.gpus), "GPU")
        return resources.gpuMemoryBytes.map { "\(count) with \(Wording.size($0))" } ?? count
    }

    /// "24 CPUs, 63 GiB, 2x RTX 3090 24 GiB", or "no GPU" at the end.
    static func describe(_ capacity: Capacity) -> String {
        var groups: [(name: String, count: Int)] = []
        for gpu in capacity.gpus {
            let name = "\(gpu.model) \(Wording.size(gpu.marketedMemoryBytes))\(gpu.simulated ? " (simulated)" : "")"
            if groups.last?.name == name {
                groups[groups.count - 1].count += 1
            } else {
                groups.append((name, 1))
            }
        }
        let gpus = groups.isEmpty ? ["no GPU"] : groups.map { "\($0.count)x \($0.name)" }
        return ([Wording.cpuCount(capacity.cpuMillis), Wording.size(capacity.memoryBytes)] + gpus)
            .joined(separator: ", ")
    }
}
