import Codec

/// What the mesh knows of issuers and of what was revoked: the replicated state, as far as a verification asks for it.
public protocol AccessLedger: Sendable {
    /// The lowest epoch that a token may have.
    var epochMin: Int64 { get }
    /// Who may issue under this name; nil for whoever may not.
    func issuer(_ id: KeyID) -> AccessIssuer?
    func revocation(_ subject: AccessSubject) -> AccessRevocation?
    /// Whether the mesh has made this root itself.
    ///
    /// - Parameter root: BLAKE3 of the text of the root.
    func hasMade(root: Digest, named name: String) -> Bool
    /// Whether a root may be used: where the mesh wants to have made each, whether it has made this one.
    ///
    /// - Parameter root: BLAKE3 of the text of the root.
    func accepts(root: Digest, named name: String) -> Bool
}
