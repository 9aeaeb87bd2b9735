/// What a decoder of foreign bytes is willing to build.
public struct CBORLimits: Hashable, Sendable {
    /// Longest input in bytes.
    public var byteCount: Int
    /// How deeply arrays, maps and tags may be nested.
    public var depth: Int
    /// How many values may be built in all; one takes 24 bytes of memory or more.
    public var valueCount: Int

    public init(byteCount: Int = 64 << 20, depth: Int = 32, valueCount: Int = 1 << 20) {
        self.byteCount = byteCount
        self.depth = depth
        self.valueCount = valueCount
    }

    /// For messages from other hosts: 64 MiB, depth 32, a million values.
    public static let `default` = CBORLimits()
    /// For snapshots of the own state, whose size has been checked before: depth 32 and nothing else.
    public static let snapshot = CBORLimits(byteCount: .max, valueCount: .max)
}
