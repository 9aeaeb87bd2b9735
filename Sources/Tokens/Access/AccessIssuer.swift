/// A key whose tokens are believed, within bounds.
public struct AccessIssuer: Hashable, Sendable {
    /// That another key has taken the place of this one. Times in seconds since the Unix epoch.
    public struct Replacement: Hashable, Sendable {
        /// Nothing that was made later is believed.
        public let at: Int64
        /// Nothing is believed any more after it.
        public let until: Int64
        /// Only what the mesh has made: whoever has stolen the key can say of a token that it is an old one.
        public let isRecordedOnly: Bool

        public init(at: Int64, until: Int64, isRecordedOnly: Bool) {
            self.at = at
            self.until = until
            self.isRecordedOnly = isRecordedOnly
        }
    }

    public let key: PublicKey
    /// The name of this key.
    public let id: KeyID
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
    /// nil: it is the one of now.
    public let replacement: Replacement?

    public init(
        key: PublicKey, name: String, acts: AccessAct.Several = .init(AccessAct.allCases),
        limits: AccessLimits = AccessLimits(), lifetime: Int64 = AccessConstants.lifetimeSeconds, expires: Int64? = nil,
        replacement: Replacement? = nil
    ) {
        self.expires = expires
        self.key = key
        id = key.id
        self.name = name
        self.acts = acts
        self.limits = limits
        self.lifetime = lifetime
        self.replacement = replacement
    }
}
