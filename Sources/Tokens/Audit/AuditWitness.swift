import Codec

/// Whether a member puts its name to a checkpoint of the audit log: only to what it has worked out for itself, and never to
/// two roots of one size.
public enum AuditWitness {
    public enum Verdict: Hashable, Sendable {
        case sign
        /// What is shown contradicts what this member has signed before, or knows: both are kept as evidence.
        case contradiction
        /// Nothing can be said about this size here.
        case unknown
    }

    /// - Parameters:
    ///   - signed: the root that this member has put its name to before at that size; nil where it has not.
    ///   - own: the root of the log at that size as this member has applied it; nil where it cannot be worked out.
    public static func judge(_ checkpoint: AuditCheckpoint, signed: Digest?, own: Digest?) -> Verdict {
        if let signed, signed != checkpoint.root { return .contradiction }
        guard let own else { return .unknown }
        return own == checkpoint.root ? .sign : .contradiction
    }
}
