/// The numbers of access tokens, in one place.
public enum AccessConstants {
    /// Links of a chain: the root and four that narrow it.
    public static let linksMax = 5
    /// Characters of all links together.
    static let chainCharactersMax = 24 << 10
    /// Further links that a link may allow.
    static let delegationsMax: Int64 = 4
    /// Keys that one token may be meant for.
    static let audiencesMax = 4
    /// Bytes in the id of a link, 22 characters as text.
    public static let idByteCount = 16
    /// Uses that a link may name.
    static let usesMax: Int64 = 10_000
    /// Patterns for one kind of thing.
    static let patternsMax = 16
    /// Bytes of one pattern or of one text that is only shown.
    static let textBytesMax = 255
    /// The largest bound that a link may name.
    static let limitMax: Int64 = 1 << 53
    /// How old the view of what is revoked may be, in seconds: the longest that a revoked token goes on.
    public static let freshnessSeconds: Int64 = 15
    /// Longest life of a token that may be believed without a fresh view, in seconds.
    static let offlineLifetimeSeconds: Int64 = 60
    /// How far the time in a proof may be from that of the node which said what time it is, in seconds.
    static let proofSeconds: Int64 = 120
    /// Verified chains that are remembered.
    static let cachedMax = 4096
    /// Addresses that travel with a token.
    static let addressesMax = 8
    /// Members that a token names.
    public static let membersMax = 16
    /// Life of an issuer's tokens where nothing else is set, in seconds: 24 h.
    public static let lifetimeSeconds: Int64 = 86_400
    /// How long the log and files of a job stay the holder's after it ended, where nothing else is said: 24 h in seconds.
    public static let keepSeconds: Int64 = 86_400
}
