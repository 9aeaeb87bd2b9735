/// A 32-byte hash, kept in place without an allocation: BLAKE3, but where its place says otherwise.
public struct Digest: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Bytes in every digest.
    public static let byteCount = 32

    // Big-endian words, so that comparing them compares the bytes.
    private var words: (UInt64, UInt64, UInt64, UInt64)

    /// From exactly 32 bytes, else nil.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Digest.byteCount else { return nil }
        if let digest = bytes.withContiguousStorageIfAvailable({ Digest(copying: UnsafeRawBufferPointer($0)) }) {
            self = digest
            return
        }
        self = Array(bytes).withUnsafeBytes { Digest(copying: $0) }
    }

    /// From exactly 32 bytes where they lie, else nil.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Digest.byteCount else { return nil }
        self.init(copying: bytes)
    }

    private init(copying bytes: UnsafeRawBufferPointer) {
        func word(_ position: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: position * 8, as: UInt64.self))
        }
        words = (word(0), word(1), word(2), word(3))
    }

    /// From exactly 64 hexadecimal digits, else nil.
    public init?(hex: String) {
        guard let bytes = Hex.decode(hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// All bytes zero: no known input hashes to it.
    public static let zero = Digest(words: (0, 0, 0, 0))

    init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Digest.byteCount) { buffer, count in
            copyBytes(to: UnsafeMutableRawBufferPointer(buffer))
            count = Digest.byteCount
        }
    }

    /// Puts the 32 bytes at the beginning of a buffer that has room for them.
    public func copyBytes(to bytes: UnsafeMutableRawBufferPointer) {
        bytes.storeBytes(of: words.0.bigEndian, as: UInt64.self)
        bytes.storeBytes(of: words.1.bigEndian, toByteOffset: 8, as: UInt64.self)
        bytes.storeBytes(of: words.2.bigEndian, toByteOffset: 16, as: UInt64.self)
        bytes.storeBytes(of: words.3.bigEndian, toByteOffset: 24, as: UInt64.self)
    }

    /// 64 lower-case hexadecimal digits.
    public var hex: String { Hex.encode(bytes) }
    public var description: String { hex }

    public static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }
    public static func < (left: Digest, right: Digest) -> Bool { left.words < right.words }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }
}
