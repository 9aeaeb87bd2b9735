/// Known mistakes that can be put back into a core, so that the simulations can show that they find them. Never set in a
/// real node.
@_spi(Simulation) public struct SwimFaults: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A member that is taken for dead is alive again in the same life when something newer is told (al8n/memberlist#157).
    public static let deadIsNotFinal = SwimFaults(rawValue: 1 << 0)
    /// An accusation of a later incarnation does not raise the one that is known, so that an older "alive" clears it
    /// (al8n/memberlist#197).
    public static let accusationKeepsVersion = SwimFaults(rawValue: 1 << 1)
    /// Any number is believed (memberlist#358).
    public static let noJumpCap = SwimFaults(rawValue: 1 << 2)
    /// A node objects to its own words too (serf#336).
    public static let answersOwnWords = SwimFaults(rawValue: 1 << 3)
    /// Nobody talks to the dead (serf#605).
    public static let forgetsTheDead = SwimFaults(rawValue: 1 << 4)
    /// Members never compare what they know (swift-cluster-membership#37).
    public static let neverCompares = SwimFaults(rawValue: 1 << 5)
    /// What arrives is believed whoever signed it.
    public static let believesForged = SwimFaults(rawValue: 1 << 6)
    /// A death that is told is believed at once.
    public static let believesDeathAtOnce = SwimFaults(rawValue: 1 << 7)
    /// Rumours are sent without end.
    public static let rumoursNeverEnd = SwimFaults(rawValue: 1 << 8)
    /// What the receiver must hear of itself is put on top of a full packet.
    public static let packetOverBudget = SwimFaults(rawValue: 1 << 9)
    /// Members are drawn at random instead of each once in a pass.
    public static let probesAtRandom = SwimFaults(rawValue: 1 << 10)
    /// A process that stood still accuses those whose answers it has not read.
    public static let stallAccuses = SwimFaults(rawValue: 1 << 11)
    /// The same accuser confirms its own suspicion.
    public static let accuserConfirmsItself = SwimFaults(rawValue: 1 << 12)
    /// A suspicion is answered by one more than the own number, not than the number that is accused.
    public static let answersBelow = SwimFaults(rawValue: 1 << 13)
    /// A suspect is not told that it is one (memberlist#84 before the buddy system).
    public static let suspectIsNotTold = SwimFaults(rawValue: 1 << 14)
    /// A node accuses in a version that its subject has not said yet.
    public static let accusesAhead = SwimFaults(rawValue: 1 << 15)
    /// Whom nobody can reach but through others is not asked for there.
    public static let noHelpers = SwimFaults(rawValue: 1 << 16)
    /// A member that goes does not say so.
    public static let leavesSilently = SwimFaults(rawValue: 1 << 17)
    /// Whoever comes back in a later life than is known is not believed.
    public static let newLifeIgnored = SwimFaults(rawValue: 1 << 18)
    /// The newest facts of a member are replaced by older ones that come later.
    public static let factsGoBack = SwimFaults(rawValue: 1 << 19)
    /// An unsigned word counts where everybody signs.
    public static let believesUnsigned = SwimFaults(rawValue: 1 << 20)
}
