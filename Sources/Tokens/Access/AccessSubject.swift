/// What can be revoked.
public enum AccessSubject: Hashable, Sendable {
    /// A link by its name (`AccessGrant.names`), and with it all links below it.
    case token(String)
    /// Everything that the holder of a key may do.
    case holder(KeyID)
    /// Everything that a key has issued.
    case issuer(KeyID)
}
