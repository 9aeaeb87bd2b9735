/// What was not believed, by why. A healthy mesh has none but for moments after its level was raised.
public struct SwimRefusals: Hashable, Sendable {
    /// The signature does not fit: forged or altered. The rest of such a message is not looked at.
    public var forged: UInt64 = 0
    /// Without a signature, in a mesh where everybody signs.
    public var unsigned: UInt64 = 0
    /// By an author who is no member, or who may not say this: an accusation of itself, or a life of another.
    public var presumed: UInt64 = 0
    /// In a version too far beyond what its subject has said.
    public var farAhead: UInt64 = 0
}
