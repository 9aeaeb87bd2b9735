/// How a member is, as gossip sees it.
public enum MemberState: UInt8, Hashable, Sendable, CaseIterable {
    case alive = 0
    /// It did not answer; it is given time to say otherwise.
    case suspect = 1
    case dead = 2
    /// It said goodbye.
    case left = 3

    /// Whether nothing but a new life can change it.
    var isFinal: Bool { self == .dead || self == .left }
}
