import CSodium

/// NoiseSecret bytes that are wiped when their last holder lets go of them.
///
/// Copies of a value that holds a `NoiseSecret` share these bytes, so no copy of them stays behind in memory.
public final class NoiseSecret: @unchecked Sendable {
    // Written only in `init` and wiped in `deinit`, which is what makes sharing between threads sound.
    private let bytes: UnsafeMutableRawBufferPointer

    /// How many bytes are kept.
    public var count: Int { bytes.count }

    /// Lets `fill` write the `count` zero bytes of a new secret.
    public init<Failure: Error>(
        count: Int, fill: (UnsafeMutablePointer<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 16)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        // Locking keeps the page out of swap and core dumps where the limits allow it; without it all else still holds.
        _ = sodium_mlock(bytes.baseAddress!, bytes.count)
        try fill(bytes.baseAddress!.assumingMemoryBound(to: UInt8.self))
    }

    /// Copies `source`; wiping that array stays the caller's part.
    public convenience init(copying source: some Collection<UInt8>) {
        self.init(count: source.count) { pointer in
            for (offset, byte) in source.enumerated() { pointer[offset] = byte }
        }
    }

    deinit {
        // Wipes and unlocks.
        _ = sodium_munlock(bytes.baseAddress!, bytes.count)
        bytes.deallocate()
    }

    /// Lends the bytes for the time of `body`.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafePointer<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafePointer(bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)))
    }
}
