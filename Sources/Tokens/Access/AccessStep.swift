/// The steps of the verification, in their order: cheap ones first, and nothing is believed before its signature.
public enum AccessStep: Int, Hashable, Sendable, CaseIterable {
    /// Number and length of the links, plain text.
    case frame = 1
    /// Version, purpose and number of parts.
    case header
    /// base64url with nothing to spare.
    case encoding
    /// The footer names a key that is an issuer here.
    case issuer
    /// That key is not revoked.
    case issuerRevoked
    /// The signature of the root.
    case signature
    /// Strict JSON with exactly the claims that are known.
    case claims
    /// Issuer, audience, times, longest life, epoch.
    case meaning
    /// The other links: signer, signature, order, and that each only narrows.
    case furtherLinks
    /// No id and no holder in the chain is revoked.
    case revoked
    /// The proof: that the holder asks for exactly this, here and now.
    case proof
    /// What all links allow covers what is asked.
    case authority
    /// The view of what is revoked is new enough.
    case freshness
    /// A use of each counted link is spent, by the same entry of the log that has the effect.
    case use
    /// The event is written, in the same entry.
    case audit

    /// Whether whoever asks may know no more than that the token is not valid.
    var isSilent: Bool {
        switch self {
        case .header, .encoding, .issuer, .issuerRevoked, .signature, .furtherLinks: true
        default: false
        }
    }
}
