import Codec

/// What people outside the mesh may have at once, and whether their tokens have to be known.
extension SchedulerState {
    /// Unfinished jobs of the token with this root, whichever of the links below it started them.
    public func unfinishedJobs(ofToken root: String) -> Int { guestJobs[root] ?? 0 }

    /// How many there may be.
    public var tokenJobsMax: Int { Int(value(of: .tokenJobs)) ?? SchedulerLimits.tokenJobsMax }

    /// Whether a token works only if it was made through the mesh.
    public var wantsIssuedTokens: Bool { value(of: .tokensIssuedOnly) == "yes" }

    /// Refuses one job more than a token may have at once.
    public func checkQuota(of pass: GuestPass) throws(SchedulerError) {
        guard level >= 6, let root = pass.names.first else { return }
        guard unfinishedJobs(ofToken: root) < tokenJobsMax else { throw .tooManyGuestJobs(max: tokenJobsMax) }
    }

    /// Whether a root may start anything: where the mesh wants to have made each, whether it has made exactly this one.
    /// Its name alone would not do, because whoever has the key can sign another of the same name.
    public func accepts(root digest: Digest, named name: String) -> Bool {
        !wantsIssuedTokens || hasMade(root: digest, named: name)
    }

    /// Whether exactly this root was made through the mesh.
    public func hasMade(root digest: Digest, named name: String) -> Bool { tokenRows[name]?.root == digest }

    /// A job of a guest begins to count, or has ended.
    mutating func countGuestJob(_ spec: JobSpec, _ change: Int) {
        guard let root = spec.guest?.names.first else { return }
        let count = unfinishedJobs(ofToken: root) + change
        if count > 0 { guestJobs.set(root, count) } else { guestJobs.remove(root) }
    }
}
