import Codec

/// How long a suspect has to speak, and who says that it does not.
struct Suspicion: Hashable, Sendable {
    var startedAt: Instant
    /// Of those who did not hear it, the first first; at most `SwimConstants.accusersMax`, each author once.
    var words: [SwimWord]
    /// A member already takes it for dead: it has the shortest time.
    var sentence: SwimWord?

    /// Who said so first.
    var accuser: NodeID? { words.first?.author ?? sentence?.author }
}
