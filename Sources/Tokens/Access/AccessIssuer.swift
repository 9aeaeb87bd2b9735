/// A key whose tokens are believed, within bounds.
public struct AccessIssuer: Hashable, Sendable {
    public let key: PublicKey
    /// As people know it: `ana on owl`.
    public let name: String
    /// What its tokens may allow at most.
    public let acts: AccessAct.Several
    /// Bounds that its tokens have to keep to where one is named.
    public let limits: AccessLimits
    /// Longest life of its tokens in seconds.
    public let lifetime: Int64
    /// Until when its tokens start anything, in seconds since the Unix epoch; nil: it has no end.
    public let expires: Int64?

    public init(
        key: PublicKey, name: String, acts: AccessAct.Several = .init(AccessAct.allCases),
        limits: AccessLimits = AccessLimits(), lifetime: Int64 = AccessConstants.lifetimeSeconds, expires: Int64? = nil
    ) {
        self.expires = expires
        self.key = key
        self.name = name
        self.acts = acts
        self.limits = limits
        self.lifetime = lifetime
    }
}
