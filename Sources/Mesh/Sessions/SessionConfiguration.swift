import Codec

/// Which side of a session a node is: who connected is the initiator.
public typealias SessionRole = NoiseHandshake.Role

/// What the other side of a handshake has shown, put before it is accepted.
public struct SessionClaim: Sendable {
    /// The pattern of the handshake: `xx` at first contact, `ik` between members.
    public let pattern: NoisePattern
    /// What this side is.
    public let role: SessionRole
    /// The X25519 key that the other side has proved to hold, 32 bytes. (In `ik` the initiator's proof is complete only
    /// with its first record; the session is not handed out before.)
    public let remoteKey: [UInt8]
    /// The other side's handshake payload, as opaque bytes.
    public let payload: [UInt8]
    /// The hash over the whole handshake, 64 bytes; nil where the claim is judged before its last message.
    public let handshakeHash: [UInt8]?
    /// Whether the handshake is bound to this node's mesh; false at a first contact without a known mesh.
    public let isBoundToMesh: Bool
    /// Where the other side is, for messages.
    public let address: String
}

/// Whether a claim is accepted.
public enum SessionVerdict: Hashable, Sendable {
    case accept
    /// The reason is told to the other side (at most 256 bytes).
    case reject(String)
}

/// What a node brings to its sessions.
public struct SessionConfiguration: Sendable {
    /// The node's X25519 key pair.
    public var staticKey: NoiseKeyPair
    /// A listener answers members that know it by this key, too: the one before, or the one to come, while its key is being
    /// rotated.
    public var otherKey: NoiseKeyPair?
    /// The mesh that the handshake is bound to. nil: an initiator does not know it (first contact without an invitation),
    /// a listener belongs to none yet.
    public var meshID: [UInt8]?
    /// What this side shows in the handshake, encrypted; at most 15 KiB.
    public var payload: [UInt8]
    /// Judges the other side. As the initiator of a first contact it is asked before this side's key and payload leave.
    public var validate: @Sendable (SessionClaim) async -> SessionVerdict
    /// The time for a whole handshake.
    public var handshakeTimeout = SessionConstants.handshakeTimeout
    /// Handshakes under way at a listener.
    public var halfOpenMax = SessionConstants.halfOpenMax
    public var keepAliveInterval = SessionConstants.keepAliveInterval
    public var silenceMax = SessionConstants.silenceMax
    /// Ciphers that this side uses: the first is what it begins with, all of them are what it answers. Never without
    /// `chaChaPoly`, which everybody has.
    public var suites = SessionConfiguration.preferredSuites
    /// The initiator asks for new keys after so long, or after so many bytes under the old ones.
    public var rekeyInterval = SessionConstants.rekeyInterval
    public var rekeyBytes = SessionConstants.rekeyBytes
    /// Handshakes under way from one address.
    public var halfOpenPerAddressMax = SessionConstants.halfOpenPerAddressMax

    /// What this host has, the fastest first.
    public static var preferredSuites: [NoiseSuite] { [.aesGCM, .chaChaPoly].filter(\.isAvailable) }

    public init(
        staticKey: NoiseKeyPair, meshID: [UInt8]?, payload: [UInt8],
        validate: @escaping @Sendable (SessionClaim) async -> SessionVerdict
    ) {
        self.staticKey = staticKey
        self.meshID = meshID
        self.payload = payload
        self.validate = validate
    }
}
