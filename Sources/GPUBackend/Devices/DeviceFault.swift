/// An error that a driver reported of a device.
public struct DeviceFault: Hashable, Sendable {
    /// Of the card; nil: the driver does not say which, so it may be any.
    public var card: UInt32?
    /// The instance that had it; nil: the whole card.
    public var gpuInstance: UInt32?
    /// Its number in NVIDIA's catalogue of XID errors.
    public var xid: UInt64

    public init(card: UInt32?, gpuInstance: UInt32? = nil, xid: UInt64) {
        self.card = card
        self.gpuInstance = gpuInstance
        self.xid = xid
    }

    /// Errors that programs make, and after which the device is as good as before: 13 graphics exception, 31 page fault,
    /// 43 stopped processing, 45 preemptive cleanup, 68 video processor exception, 109 context switch timeout. Those
    /// that k8s-device-plugin passes over, too.
    static let ofPrograms: Set<UInt64> = [13, 31, 43, 45, 68, 109]

    var isOfProgram: Bool { DeviceFault.ofPrograms.contains(xid) }
}
