import Scheduler

/// A device as one look at the hardware found it.
public struct SeenDevice: Hashable, Sendable {
    public var maker: GPU.Maker
    /// Of the card, as the driver counts.
    public var card: UInt32
    /// Of an instance on its card; nil: the whole card.
    public var instance: Instance?
    public var uuid: String
    public var model: String
    public var memoryBytes: UInt64
    public var pciAddress: String?
    public var numaNode: UInt32?
    public var links: [GPULink] = []
    /// What a program opens to use it; some may not be there.
    public var files: [String] = []
    public var condition = Condition.works
    /// How it is used now.
    public var use = DeviceUse()
    /// The processes that compute on it.
    var users: [Int32] = []
    /// Those of them that belong to no job of this daemon.
    public var strangers: [Stranger] = []

    /// The part of a divided card (MIG).
    public struct Instance: Hashable, Sendable {
        public var number: UInt32
        /// What errors name it by.
        public var gpuInstance: UInt32
        public var computeInstance: UInt32

        public init(number: UInt32, gpuInstance: UInt32, computeInstance: UInt32) {
            self.number = number
            self.gpuInstance = gpuInstance
            self.computeInstance = computeInstance
        }
    }

    public enum Condition: Hashable, Sendable {
        /// The driver has nothing against it.
        case works
        /// The driver does not say what it thinks of it.
        case worksAsFarAsKnown
        /// The driver knows it and cannot reach it; nothing but its number is known.
        case lost
        /// The driver wants this done first.
        case wants(Recovery)
        /// Broken rows of its memory could not be replaced.
        case wornOut
        /// It can be used through its instances only (MIG is on).
        case divided
    }

    /// What a driver asks for (NVML, `nvmlDeviceGpuRecoveryAction_t`).
    public enum Recovery: Hashable, Sendable {
        case reset, reboot, drain
    }

    /// A process that is not ours.
    public struct Stranger: Hashable, Sendable {
        public var process: Int32
        public var user: String

        public init(process: Int32, user: String) {
            self.process = process
            self.user = user
        }
    }

    public init(
        maker: GPU.Maker = .nvidia, card: UInt32, instance: Instance? = nil, uuid: String, model: String,
        memoryBytes: UInt64
    ) {
        self.maker = maker
        self.card = card
        self.instance = instance
        self.uuid = uuid
        self.model = model
        self.memoryBytes = memoryBytes
    }

    /// The number that jobs and people see.
    public var index: UInt32 { SeenDevice.index(card: card, instance: instance?.number) }

    static func index(card: UInt32, instance: UInt32?) -> UInt32 {
        instance.map { (card + 1) * 100 + $0 } ?? card
    }
}
