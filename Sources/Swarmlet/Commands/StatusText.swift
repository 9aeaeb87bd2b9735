import Codec
import Node
import Scheduler

/// What a node is, in the words of `up`, `join` and `members`.
enum StatusText {
    /// `owl (Xk7dM2qp): 32 CPUs, 125 GiB, 1x RTX 4090 24 GiB`.
    static func node(_ status: StatusView) -> String {
        "\(status.nodeName ?? "-") (\(status.shortID)): \(hardware(status.cpus, status.memoryBytes, status.gpus))"
    }

    /// `; 192.168.1.11:7717 TCP and UDP`.
    static func addresses(_ status: StatusView) -> String {
        guard !status.addresses.isEmpty else { return "" }
        let only = status.interface.map { ", \($0) only" } ?? ""
        return "; \(status.addresses.joined(separator: ", ")) TCP and UDP\(only)"
    }

    /// `lynx (Q2mv8RtB) joined mesh lab in 0.4 s: 24 CPUs, 63 GiB, 2x RTX 3090 24 GiB`.
    static func joined(_ status: StatusView) -> String {
        let name = "\(status.nodeName ?? "-") (\(status.shortID))"
        let mesh = "mesh \(status.meshName ?? "-")"
        let hardware = hardware(status.cpus, status.memoryBytes, status.gpus)
        guard let milliseconds = status.joinMilliseconds else { return "\(name) is a member of \(mesh): \(hardware)" }
        let time = TimeSpan.phrase(Interval(nanoseconds: Int64(milliseconds) * 1_000_000))
        return "\(name) joined \(mesh) in \(time): \(hardware)"
    }

    static func hardware(_ cpus: UInt32, _ memoryBytes: UInt64, _ gpus: [GPU]) -> String {
        let count = cpus == 1 ? "1 CPU" : "\(cpus) CPUs"
        return "\(count), \(ByteSize.capacity(memoryBytes)), \(Self.gpus(gpus) ?? "no GPU")"
    }

    /// `2x RTX 3090 24 GiB`, one part for each kind in order of index; nil where there is none.
    static func gpus(_ gpus: [GPU]) -> String? {
        var kinds: [(text: String, count: Int)] = []
        for gpu in gpus {
            let text = kind(gpu)
            if let index = kinds.firstIndex(where: { $0.text == text }) {
                kinds[index].count += 1
            } else {
                kinds.append((text, 1))
            }
        }
        return kinds.isEmpty ? nil : kinds.map { "\($0.count)x \($0.text)" }.joined(separator: ", ")
    }

    private static func kind(_ gpu: GPU) -> String {
        let size = ByteSize.capacity(gpu.marketedMemoryBytes)
        return "\(gpu.model) \(size)\(gpu.simulated ? " (simulated)" : "")"
    }

    static func json(_ status: StatusView) -> JSON {
        .object([
            ("schema_version", .integer(1)),
            ("version", .string(status.version)),
            ("in_mesh", .bool(status.inMesh)),
            ("mesh", .optional(status.meshName)),
            ("fingerprint", .optional(status.meshFingerprint)),
            ("founded", .bool(status.founded)),
            ("node", .optional(status.nodeName)),
            ("id", .string(status.shortID)),
            ("cpus", .integer(Int64(status.cpus))),
            ("memory_bytes", .count(status.memoryBytes)),
            ("gpus", .array(status.gpus.map(json))),
            ("addresses", .array(status.addresses.map { .string($0) })),
            ("event_loop", .string(status.backend)),
            ("leader", .optional(status.leader)),
            ("weaker", .array(status.weaker.map { .string($0) })),
        ])
    }

    static func json(_ gpu: GPU) -> JSON {
        .object([
            ("index", .integer(Int64(gpu.index))), ("uuid", .string(gpu.uuid)), ("model", .string(gpu.model)),
            ("memory_bytes", .count(gpu.memoryBytes)), ("simulated", .bool(gpu.simulated)),
            ("state", .string(state(gpu))), ("detail", .optional(gpu.obstacle?.text)),
            ("pci_address", .optional(gpu.pciAddress)),
            ("numa_node", gpu.numaNode.map { .integer(Int64($0)) } ?? .null),
            (
                "links",
                .array(
                    gpu.links.map { .object([("gpu", .integer(Int64($0.peer))), ("path", .string($0.path))]) })
            ),
        ])
    }

    /// `ok`, `in use` by somebody else, or `unhealthy`.
    static func state(_ gpu: GPU) -> String {
        switch gpu.obstacle?.kind {
        case nil: "ok"
        case .inUse: "in use"
        case .unhealthy: "unhealthy"
        }
    }
}
