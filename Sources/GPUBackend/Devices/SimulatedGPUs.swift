import Scheduler

/// Devices that are not there, for meshes without hardware: `--simulate-gpus N[:MODEL]`.
public enum SimulatedGPUs {
    /// What is simulated when no model is named.
    public static let standardModel = "RTX 3090"
    private static let maximum = 64
    private static let gibibyte: UInt64 = 1 << 30

    /// Sold memory in GiB, from the makers' data sheets.
    private static let models: [(name: String, gibibytes: UInt64)] = [
        ("GTX 1080 Ti", 11), ("RTX 2080 Ti", 11), ("RTX 3080", 10), ("RTX 3090", 24), ("RTX 4080", 16),
        ("RTX 4090", 24), ("RTX 5090", 32), ("RTX A6000", 48), ("T4", 16), ("V100", 32), ("A10", 24), ("L4", 24),
        ("L40S", 48), ("A100", 80), ("H100", 80), ("H200", 141), ("B200", 180),
    ]
    /// For a model that is not in the list.
    private static let standardGibibytes: UInt64 = 24

    /// The devices that the text names. `node` makes their UUIDs differ between nodes.
    public static func parse(_ text: String, node: String) throws(HostError) -> [GPU] {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let count = Int(first), (0...maximum).contains(count) else {
            throw .badSimulatedGPUs(text)
        }
        let wanted = parts.count == 2 ? String(parts[1]) : standardModel
        guard !wanted.isEmpty, wanted.utf8.count <= 64, wanted.unicodeScalars.allSatisfy({ $0.value >= 32 }) else {
            throw .badSimulatedGPUs(text)
        }
        let known = models.first { plain($0.name) == plain(wanted) }
        let memory = (known?.gibibytes ?? standardGibibytes) * gibibyte
        return (0..<count).map { index in
            GPU(
                index: UInt32(index), uuid: "SIMULATED-\(node)-\(index)", model: known?.name ?? wanted,
                memoryBytes: memory, simulated: true)
        }
    }

    /// `rtx-3090`, `RTX3090` and `RTX 3090` are one model.
    private static func plain(_ name: String) -> String {
        String(name.lowercased().filter { $0.isLetter || $0.isNumber })
    }
}
