import Codec

/// What this node knows of another member.
public struct SwimMember: Hashable, Sendable {
    /// How long a suspect has to speak.
    struct Suspicion: Hashable, Sendable {
        var startedAt: Instant
        /// Who did not hear it, the first accuser first; at most `SwimConstants.accusersMax`.
        var accusers: [NodeID]
        /// Others already take it for dead: it has the shortest time.
        var isSentenced = false
    }

    public let id: NodeID
    public internal(set) var state: MemberState = .alive
    /// Never goes back.
    public internal(set) var version: SwimVersion = .unheard
    /// What it says of itself, opaque; empty before it was heard.
    public internal(set) var facts: [UInt8] = []
    /// The version in which it said `facts`, never beyond `version`.
    var factsVersion: SwimVersion = .unheard
    /// There exactly while it is a suspect.
    var suspicion: Suspicion?
    /// How long its answers take; nil before the first.
    public internal(set) var roundTrip: RoundTrip?

    init(id: NodeID) { self.id = id }

    var rumour: SwimRumour {
        SwimRumour(
            subject: id, version: version, state: state, accusers: suspicion?.accusers ?? [],
            facts: state == .alive && factsVersion == version ? facts : nil)
    }

    var digest: SwimMessage.Digest {
        SwimMessage.Digest(subject: id, version: version, state: state, hasFacts: factsVersion == version)
    }
}
