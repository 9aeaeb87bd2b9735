import Codec
import Tokens

/// When a node has its certificates renewed, and what it takes for a renewal.
///
/// A third of their life is gone then: of the 30 days of a member 20 are left to find somebody who renews them.
struct CertificateRenewal: Hashable, Sendable {
    /// Tries that got nothing, one after the other.
    private(set) var failures = 0
    /// Not before this is it tried again.
    private(set) var nextTry = Instant.zero

    private static let firstPause = Interval.seconds(1)
    private static let longestPause = Interval.seconds(600)
    /// What ends so little later is no renewal, but what another member has from the same hand.
    private static let gainSeconds: Int64 = 60

    /// Whether a chain is to be renewed.
    ///
    /// - Parameters:
    ///   - linkCount: certificates in the chain; one: the mesh key has signed it.
    ///   - validity: what the chain leaves; nil: it has no end.
    ///   - isOfFormerKey: whether it stands below a mesh key that was replaced.
    ///   - replacesEndless: whether the whole mesh understands certificates that have an end.
    ///   - now: seconds since the Unix epoch.
    static func isDue(
        linkCount: Int, validity: CertificateValidity?, isOfFormerKey: Bool = false, replacesEndless: Bool, now: Int64
    ) -> Bool {
        guard let validity else { return replacesEndless }
        // This clock is behind: it cannot say what is due, and would refuse what it got.
        guard validity.standing(now: now) != .notYet else { return false }
        if isOfFormerKey { return true }
        let life = linkCount <= 1 ? CertificateValidity.rootSeconds : CertificateValidity.memberSeconds
        return validity.expires - now < life - life / 3
    }

    /// Whether a chain is worth to be taken for the one that is there.
    ///
    /// - Parameter isOfFormerKey: which of the two stand below a mesh key that was replaced.
    static func isBetter(
        _ new: CertificateValidity?, than old: CertificateValidity?,
        isOfFormerKey: (new: Bool, old: Bool) = (false, false),
        now: Int64
    ) -> Bool {
        guard let new, new.standing(now: now) == .good else { return false }
        guard isOfFormerKey.new == isOfFormerKey.old else { return isOfFormerKey.old }
        guard let old, old.standing(now: now) == .good else { return true }
        return new.expires > old.expires + gainSeconds
    }

    func mayTry(at now: Instant) -> Bool { now >= nextTry }

    mutating func failed(at now: Instant) {
        nextTry = now + min(Self.firstPause * (1 << Int64(min(failures, 10))), Self.longestPause)
        failures += 1
    }

    mutating func succeeded() { self = CertificateRenewal() }

    /// Somebody is there who was not: the pause is over.
    mutating func metSomebody() { nextTry = .zero }
}
