/// How a device is used at one moment; nil: its driver does not say.
public struct DeviceUse: Hashable, Sendable {
    /// In hundredths, that something computed on it.
    public var utilisation: UInt32?
    public var usedBytes: UInt64?
    /// Since the driver was loaded.
    public var millijoules: UInt64?

    public init(utilisation: UInt32? = nil, usedBytes: UInt64? = nil, millijoules: UInt64? = nil) {
        self.utilisation = utilisation
        self.usedBytes = usedBytes
        self.millijoules = millijoules
    }
}
