/// What the JSON parser is willing to read.
public struct JSONLimits: Hashable, Sendable {
    /// Longest document in bytes.
    public var byteCount: Int
    /// How deeply arrays and objects may be nested.
    public var depth: Int
    /// How many members one object may have.
    public var memberCount: Int

    public init(byteCount: Int = 16 << 20, depth: Int = 32, memberCount: Int = 65_536) {
        self.byteCount = byteCount
        self.depth = depth
        self.memberCount = memberCount
    }

    /// 16 MiB, depth 32, 65,536 members an object.
    public static let `default` = JSONLimits()
}
