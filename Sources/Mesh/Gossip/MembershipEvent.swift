import Codec

/// Something that this node came to know about another member.
public struct MembershipEvent: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// Heard for the first time, or back in a new life: its process was started again, or was taken for dead wrongly.
        case joined
        /// It did not answer; the accuser said so first.
        case suspected(by: NodeID)
        /// The suspicion was wrong.
        case alive
        /// It did not object in time. Final for this life.
        case died
        /// It said goodbye. Final for this life.
        case left
        /// It says something new about itself.
        case facts([UInt8])
        /// It is a member of the mesh no longer.
        case removed
        /// Somebody should look at what these words for people say.
        case alarm(String)
    }

    /// On the clock of the core.
    public let instant: Instant
    public let member: NodeID
    /// In which the member is known from here on.
    public let version: SwimVersion
    public let kind: Kind

    public init(instant: Instant, member: NodeID, version: SwimVersion, kind: Kind) {
        self.instant = instant
        self.member = member
        self.version = version
        self.kind = kind
    }

    /// How the member is seen after it; nil where that has not changed.
    public var state: MemberState? {
        switch kind {
        case .joined, .alive: .alive
        case .suspected: .suspect
        case .died: .dead
        case .left: .left
        case .facts, .removed, .alarm: nil
        }
    }
}
