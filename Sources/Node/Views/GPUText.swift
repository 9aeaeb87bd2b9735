import Scheduler

/// Devices as people read them; simulated ones say so wherever they are shown.
enum GPUText {
    /// `GPU 0 (RTX 4090 24 GiB)`, `GPU 1 (A100 80 GiB, simulated)`.
    static func one(_ gpu: GPU) -> String { "GPU \(gpu.index) (\(model(gpu)))" }

    /// `A100 80 GiB, simulated`.
    static func model(_ gpu: GPU) -> String {
        "\(gpu.model) \(ByteSize.text(gpu.marketedMemoryBytes))\(gpu.simulated ? ", simulated" : "")"
    }
}
