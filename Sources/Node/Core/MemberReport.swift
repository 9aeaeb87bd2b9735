import Codec
import Mesh
import Scheduler

/// What a node says of itself by gossip: what it is and has, and what it bears right now. Signed by it, as all facts are.
public struct MemberReport: Hashable, Sendable, CBORCodable {
    /// So many devices of one model.
    public struct Devices: Hashable, Sendable {
        public var model: String
        public var count: UInt64

        public init(model: String, count: UInt64) {
            self.model = model
            self.count = count
        }
    }

    public var role: NodeRole
    /// Of its program.
    public var version: String
    public var cpuMillis: UInt64
    public var memoryBytes: UInt64
    public var devices: [Devices]
    /// Processes that ran or waited for a processor, the mean of the last minute, in hundredths.
    public var loadHundredths: UInt64
    public var labels: [Label]
    /// Until when outsiders take it for a member, in seconds since the Unix epoch; nil: it has not said.
    public var certificateExpires: Int64?

    /// Members whose key it hears two processes use.
    public var twins: [NodeID]

    private static let versionLengthMax = 32
    private static let devicesMax = 64
    private static let twinsMax = 8

    public init(
        role: NodeRole, version: String, capacity: Capacity, loadHundredths: UInt64, labels: [Label],
        certificateExpires: Int64? = nil, twins: [NodeID] = []
    ) {
        self.twins = Array(twins.prefix(MemberReport.twinsMax))
        self.role = role
        self.version = String(version.prefix(MemberReport.versionLengthMax))
        cpuMillis = capacity.cpuMillis
        memoryBytes = capacity.memoryBytes
        devices = []
        for gpu in capacity.gpus {
            if let known = devices.firstIndex(where: { $0.model == gpu.model }) {
                devices[known].count += 1
            } else {
                devices.append(Devices(model: gpu.model, count: 1))
            }
        }
        self.loadHundredths = loadHundredths
        self.labels = labels
        self.certificateExpires = certificateExpires
    }

    /// At most `SwimConstants.factBytesMax`: with as many labels, then models of devices, as there is room for.
    public var facts: [UInt8] {
        var report = self
        while true {
            let bytes = report.encoded()
            if bytes.count <= SwimConstants.factBytesMax { return bytes }
            if report.labels.popLast() == nil, report.devices.popLast() == nil { return [] }
        }
    }

    /// Whether it is worth telling everybody after this one: anything but the load, or the load by more than one and more
    /// than a quarter of the processors.
    public func isNews(after told: MemberReport) -> Bool {
        var same = self
        same.loadHundredths = told.loadHundredths
        let change = max(loadHundredths, told.loadHundredths) - min(loadHundredths, told.loadHundredths)
        return same != told || change > max(100, cpuMillis / 40)
    }

    /// `load 3.2 of 8 CPUs, 2 H100, swarmlet 0.1.0, rack=a`.
    public var text: String {
        var parts = ["load \(loadHundredths / 100).\(loadHundredths / 10 % 10) of \(cpuMillis / 1_000) CPUs"]
        for kind in devices { parts.append("\(kind.count) \(kind.model)") }
        parts.append("swarmlet \(version)")
        switch role {
        case .auto: break
        case .worker: parts.append("worker")
        case .client: parts.append("client")
        }
        for label in labels { parts.append("\(label.name)=\(label.value)") }
        return parts.joined(separator: ", ")
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        role = try map.require(1)
        version = try map.require(2)
        cpuMillis = try map.require(3)
        memoryBytes = try map.require(4)
        loadHundredths = try map.require(5)
        devices = []
        for field in try map[6]?.requireArray() ?? [] {
            let pair = try field.requireArray()
            guard pair.count == 2, devices.count < MemberReport.devicesMax else {
                throw .invalid("devices that cannot be read")
            }
            devices.append(Devices(model: try String(cbor: pair[0]), count: try UInt64(cbor: pair[1])))
        }
        labels = []
        for field in try map[7]?.requireArray() ?? [] { labels.append(try Label(cbor: field)) }
        certificateExpires = try map.optional(8)
        twins = try map.optional(9) ?? []
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, role)
        map.set(2, version)
        map.set(3, cpuMillis)
        map.set(4, memoryBytes)
        map.set(5, loadHundredths)
        map[6] = .array(devices.map { .array([$0.model.cbor, $0.count.cbor]) })
        map[7] = .array(labels.map(\.cbor))
        map.set(8, certificateExpires)
        map.set(9, twins.isEmpty ? nil : twins)
        return .map(map)
    }
}
