import CSodium

/// What a person keeps in mind or in another place, in memory that is locked, guarded and wiped when it is let go.
public final class Passphrase: @unchecked Sendable {
    /// Longer ones are something else.
    public static let byteCountMax = 1_024

    private let memory: UnsafeMutablePointer<UInt8>
    private let count: Int

    /// Takes the bytes and wipes them.
    ///
    /// - Precondition: libsodium was started, and there are 1 to `byteCountMax` of them.
    public init(wiping bytes: inout [UInt8]) {
        precondition(Sodium.isInitialised, "libsodium could not be started")
        precondition((1...Passphrase.byteCountMax).contains(bytes.count), "a passphrase has 1 to 1024 bytes")
        guard let memory = sodium_malloc(bytes.count) else { preconditionFailure("no memory for a passphrase") }
        self.memory = memory.assumingMemoryBound(to: UInt8.self)
        count = bytes.count
        self.memory.update(from: bytes, count: bytes.count)
        sodium_memzero(&bytes, bytes.count)
        sodium_mprotect_readonly(memory)
    }

    deinit { sodium_free(memory) }

    /// Lends the bytes, for a shell that hands them to the daemon it starts.
    public func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        body(UnsafeBufferPointer(start: memory, count: count))
    }
}
