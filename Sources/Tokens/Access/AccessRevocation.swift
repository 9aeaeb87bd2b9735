/// That something was revoked.
public struct AccessRevocation: Hashable, Sendable {
    /// Who did it, as people know him.
    public let by: String
    /// When, in seconds since the Unix epoch.
    public let at: Int64
    /// Only what was issued before this time, in seconds since the Unix epoch; nil for everything.
    public let issuedBefore: Int64?

    public init(by: String, at: Int64, issuedBefore: Int64? = nil) {
        self.by = by
        self.at = at
        self.issuedBefore = issuedBefore
    }

    func covers(issuedAt: Int64) -> Bool { issuedBefore.map { issuedAt < $0 } ?? true }
}
