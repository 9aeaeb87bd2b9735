import GPUBackend
import Scheduler

/// Adds up what attempts use of their devices, from looks at all of them.
struct GPUMeter: Sendable {
    private struct Count: Sendable {
        var gpus: [UInt32]
        var sum: UInt64 = 0
        var looks: UInt64 = 0
        var peakBytes: UInt64?
        /// By device, where it began; those that nobody has looked at yet begin with the next look.
        var energyBefore: [UInt32: UInt64] = [:]

        mutating func add(_ uses: [UInt32: DeviceUse]) {
            var bytes: UInt64?
            for gpu in gpus {
                guard let use = uses[gpu] else { continue }
                if let part = use.utilisation {
                    sum += UInt64(part)
                    looks += 1
                }
                if let used = use.usedBytes { bytes = (bytes ?? 0) + used }
                if energyBefore[gpu] == nil { energyBefore[gpu] = use.millijoules }
            }
            if let bytes { peakBytes = max(peakBytes ?? 0, bytes) }
        }
    }

    private var counts: [AttemptKey: Count] = [:]
    private var last: [UInt32: DeviceUse] = [:]

    /// An attempt that holds these devices runs from now on.
    mutating func begin(_ key: AttemptKey, on gpus: [UInt32]) {
        guard !gpus.isEmpty, counts[key] == nil else { return }
        var count = Count(gpus: gpus)
        for gpu in gpus { count.energyBefore[gpu] = last[gpu]?.millijoules }
        counts[key] = count
    }

    mutating func look(_ uses: [UInt32: DeviceUse]) {
        last = uses
        for key in counts.keys { counts[key]?.add(uses) }
    }

    /// What it used; nil where nothing is known.
    mutating func end(_ key: AttemptKey) -> GPUUsage? {
        guard let count = counts.removeValue(forKey: key) else { return nil }
        var energy: UInt64?
        for gpu in count.gpus {
            guard let before = count.energyBefore[gpu], let now = last[gpu]?.millijoules else { continue }
            // A driver that was loaded anew counts from nothing.
            energy = (energy ?? 0) + (now >= before ? now - before : now)
        }
        let mean = count.looks > 0 ? UInt32((count.sum + count.looks / 2) / count.looks) : nil
        let usage = GPUUsage(utilisation: mean, peakMemoryBytes: count.peakBytes, millijoules: energy)
        return usage == GPUUsage() ? nil : usage
    }
}
