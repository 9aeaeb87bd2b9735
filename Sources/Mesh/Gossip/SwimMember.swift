import Codec

/// What is known of a member. 40 bytes, because a large mesh has many and a simulation has all of them for each.
public struct SwimMember: Hashable, Sendable {
    /// Never goes back; greater only by what the member said itself, or by accusations within the jump that is allowed.
    public internal(set) var version: SwimVersion = .unheard
    /// The last word that led here, to pass on: its own where it is alive or has left, a sentence where it is dead.
    /// Nil where it was only heard directly, which proves nothing to others, and where it is a suspect.
    var word: SwimWord?
    var said: SwimFacts?
    public internal(set) var state: MemberState = .alive
    /// How long its answers take; nil before the first.
    public internal(set) var roundTrip: RoundTrip?

    /// What it says of itself, opaque; empty before it was heard.
    public var facts: [UInt8] { said?.bytes ?? [] }
    /// In which version it said that.
    public var factsVersion: SwimVersion { said?.version ?? .unheard }
    public var isUnheard: Bool { version == .unheard }
}
