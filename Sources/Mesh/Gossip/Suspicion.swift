import Codec

/// How long a suspect has to speak, and who says that it does not.
struct Suspicion: Hashable, Sendable {
    var startedAt: Instant
    /// Of those who did not hear it, the first first; at most `SwimConstants.accusersMax`, each author once.
    var words: [SwimWord]
    /// A member already takes it for dead: it has the shortest time.
    var sentence: SwimWord?
    /// How often this node has called the suspect before it would sentence it, and when first.
    var calls = 0
    var calledAt: Instant?

    /// Who said so first.
    var accuser: NodeID? { words.first?.author ?? sentence?.author }

    mutating func postpone(by interval: Interval) {
        startedAt = startedAt + interval
        calledAt = calledAt.map { $0 + interval }
    }
}
