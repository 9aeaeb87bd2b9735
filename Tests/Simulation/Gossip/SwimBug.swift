@_spi(Simulation) import Mesh

/// A known mistake that can be put back into every node, to show that the storms find it.
public struct SwimBug: Sendable {
    /// Short name, as `simulate gossip --bugs` prints it.
    public let name: String
    let faults: SwimFaults
    /// Seeds within which it must be found from anywhere.
    public static let seedLimit = 200

    private init(_ name: String, _ faults: SwimFaults) { (self.name, self.faults) = (name, faults) }

    /// In the order of `SwimFaults`.
    public static let all: [SwimBug] = [
        SwimBug("dead-is-not-final", .deadIsNotFinal),
        SwimBug("accusation-keeps-version", .accusationKeepsVersion),
        SwimBug("no-jump-cap", .noJumpCap),
        SwimBug("answers-own-words", .answersOwnWords),
        SwimBug("forgets-the-dead", .forgetsTheDead),
        SwimBug("never-compares", .neverCompares),
        SwimBug("believes-forged", .believesForged),
        SwimBug("believes-death-at-once", .believesDeathAtOnce),
        SwimBug("rumours-never-end", .rumoursNeverEnd),
        SwimBug("packet-over-budget", .packetOverBudget),
        SwimBug("probes-at-random", .probesAtRandom),
        SwimBug("stall-accuses", .stallAccuses),
        SwimBug("accuser-confirms-itself", .accuserConfirmsItself),
        SwimBug("answers-below", .answersBelow),
        SwimBug("suspect-is-not-told", .suspectIsNotTold),
        SwimBug("accuses-ahead", .accusesAhead),
        SwimBug("no-helpers", .noHelpers),
        SwimBug("leaves-silently", .leavesSilently),
        SwimBug("new-life-ignored", .newLifeIgnored),
        SwimBug("facts-go-back", .factsGoBack),
        SwimBug("believes-unsigned", .believesUnsigned),
    ]

    /// The first seed that finds it, what it found, and how many were tried; nil where none did.
    public func hunt(from first: UInt64 = 1, limit: Int) -> (seed: UInt64, violation: String, tried: Int)? {
        for offset in 0..<limit {
            let seed = first + UInt64(offset)
            var storm = SwimStorm(seed: seed, faults: faults)
            if let violation = storm.run().violation { return (seed, violation, offset + 1) }
        }
        return nil
    }
}
