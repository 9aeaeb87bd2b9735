/// Why a Noise handshake or record was refused.
///
/// A handshake that threw is over: its state refuses every later call. A cipher that threw is unchanged.
public enum NoiseError: Error, Hashable, Sendable {
    /// A key does not have 32 bytes.
    case keyLength(Int)
    /// The pattern needs the peer's static key before the first message, and it was not given.
    case remoteStaticMissing
    /// The message is shorter than what its pattern carries.
    case messageTooShort
    /// The message would pass, or passes, 65,535 bytes.
    case messageTooLong(Int)
    /// The tag does not fit: wrong key, wrong prologue or changed bytes.
    case authenticationFailed
    /// The peer's public key gives an all-zero shared secret (RFC 7748, section 6.1).
    case weakKey
    /// All 2^64 - 1 nonces of a key are used.
    case nonceExhausted
    /// It is the peer's turn, the handshake is over, or it failed before.
    case outOfTurn
    /// The handshake has messages left, so there are no transport keys yet.
    case notFinished

    /// The stable name of the error.
    public var code: String {
        switch self {
        case .keyLength: "mesh.noise.key_length"
        case .remoteStaticMissing: "mesh.noise.remote_static_missing"
        case .messageTooShort: "mesh.noise.message_too_short"
        case .messageTooLong: "mesh.noise.message_too_long"
        case .authenticationFailed: "mesh.noise.authentication_failed"
        case .weakKey: "mesh.noise.weak_key"
        case .nonceExhausted: "mesh.noise.nonce_exhausted"
        case .outOfTurn: "mesh.noise.out_of_turn"
        case .notFinished: "mesh.noise.not_finished"
        }
    }

    /// What is wrong, as a sentence for the user.
    public var message: String {
        switch self {
        case .keyLength(let count): "a Noise key has \(count) bytes instead of 32"
        case .remoteStaticMissing: "the peer's key is not known"
        case .messageTooShort: "the peer sent a handshake message that is cut off"
        case .messageTooLong(let count): "a message of \(count) bytes is longer than Noise allows (65,535)"
        case .authenticationFailed: "the peer's message does not fit its keys"
        case .weakKey: "the peer sent a key that hides nothing"
        case .nonceExhausted: "the session has used up its key"
        case .outOfTurn: "a handshake message came out of turn"
        case .notFinished: "the handshake is not finished"
        }
    }

    /// The way out.
    public var hint: String {
        switch self {
        case .keyLength: "restore the node's key file from a copy"
        case .remoteStaticMissing: "join the mesh again, so that the keys of its members are known"
        case .authenticationFailed:
            "check that both nodes belong to the same mesh and run versions that know each other: swarmlet doctor"
        case .weakKey: "do not trust this peer; look at who owns its address"
        case .nonceExhausted: "connect again; new keys come with the new session"
        case .messageTooShort, .messageTooLong, .outOfTurn, .notFinished:
            "connect again; if it stays, compare the versions of both nodes: swarmlet version"
        }
    }
}
