/// One side of a Noise handshake (Noise revision 34, section 5.3).
///
/// It decides what each handshake message holds and whether the peer's message proves the peer's keys. It never makes
/// keys, sends bytes or decides whether a proven key is welcome: who the peer may be is the caller's question, put to
/// `remoteStatic` before the first record is sent.
///
/// Invariants: messages strictly alternate and the initiator writes first; after any error every call throws
/// `outOfTurn`; transport keys exist only when all messages have been exchanged.
public struct NoiseHandshake: Sendable {
    public enum Role: Hashable, Sendable {
        case initiator
        case responder
    }

    public let pattern: NoisePattern
    public let role: Role
    /// The peer's static public key, 32 bytes, once it is known and proven or given.
    public private(set) var remoteStatic: [UInt8]?

    private(set) var symmetric: SymmetricState
    private let staticKey: NoiseKeyPair
    private let ephemeralKey: NoiseKeyPair
    private var remoteEphemeral: [UInt8]?
    // Index of the next message; even ones are the initiator's.
    private var messageIndex = 0
    private var hasFailed = false

    /// Starts a handshake.
    ///
    /// Both sides must give the same `suite`, which this host must have, and the same `prologue`. `ephemeralKey` must be new for this handshake. `remoteStatic` is the
    /// responder's static public key, needed by the initiator of `ik` only. Throws `remoteStaticMissing`, `keyLength`.
    public init(
        _ pattern: NoisePattern, _ suite: NoiseSuite = .chaChaPoly, role: Role, prologue: [UInt8],
        staticKey: NoiseKeyPair, ephemeralKey: NoiseKeyPair, remoteStatic: [UInt8]? = nil
    ) throws(NoiseError) {
        self.pattern = pattern
        self.role = role
        self.staticKey = staticKey
        self.ephemeralKey = ephemeralKey
        symmetric = SymmetricState(pattern, suite, prologue: prologue)
        guard pattern.needsResponderStatic else { return }
        switch role {
        case .initiator:
            guard let remoteStatic else { throw .remoteStaticMissing }
            guard remoteStatic.count == NoiseConstants.keyBytes else { throw .keyLength(remoteStatic.count) }
            self.remoteStatic = remoteStatic
            symmetric.mixHash(remoteStatic)
        case .responder:
            symmetric.mixHash(staticKey.publicKey)
        }
    }

    /// Whether all messages have been exchanged.
    public var isFinished: Bool { !hasFailed && messageIndex == pattern.messages.count }

    /// Whether the next message is this side's to write.
    public var isMyTurn: Bool {
        !hasFailed && messageIndex < pattern.messages.count && (messageIndex % 2 == 0) == (role == .initiator)
    }

    /// The hash over the whole handshake, 64 bytes, for channel binding (Noise section 11.2). Nil until it is finished.
    public var handshakeHash: [UInt8]? { isFinished ? symmetric.hash : nil }

    /// The next message, which carries `payload`. Throws `outOfTurn`, `messageTooLong` or `weakKey`.
    public mutating func write(payload: [UInt8] = []) throws(NoiseError) -> [UInt8] {
        guard isMyTurn else { throw .outOfTurn }
        // Set until all has gone well, so that every way out by an error ends the handshake.
        hasFailed = true
        var message: [UInt8] = []
        for token in pattern.messages[messageIndex] {
            switch token {
            case .e:
                message += ephemeralKey.publicKey
                symmetric.mixHash(ephemeralKey.publicKey)
            case .s:
                message += try symmetric.encryptAndHash(staticKey.publicKey)
            case .ee, .es, .se, .ss:
                try mix(token)
            }
        }
        message += try symmetric.encryptAndHash(payload)
        guard message.count <= NoiseConstants.messageBytesMax else { throw .messageTooLong(message.count) }
        messageIndex += 1
        hasFailed = false
        return message
    }

    /// Reads the peer's next message and returns its payload.
    ///
    /// Throws `outOfTurn`, `messageTooLong`, `messageTooShort`, `authenticationFailed` or `weakKey`.
    public mutating func read(_ message: [UInt8]) throws(NoiseError) -> [UInt8] {
        guard !hasFailed, !isMyTurn, !isFinished else { throw .outOfTurn }
        hasFailed = true
        guard message.count <= NoiseConstants.messageBytesMax else { throw .messageTooLong(message.count) }
        var rest = message[...]
        for token in pattern.messages[messageIndex] {
            switch token {
            case .e:
                let key = try Self.take(NoiseConstants.keyBytes, from: &rest)
                remoteEphemeral = key
                symmetric.mixHash(key)
            case .s:
                let count = NoiseConstants.keyBytes + (symmetric.hasKey ? NoiseConstants.tagBytes : 0)
                remoteStatic = try symmetric.decryptAndHash(Self.take(count, from: &rest))
            case .ee, .es, .se, .ss:
                try mix(token)
            }
        }
        let payload = try symmetric.decryptAndHash(Array(rest))
        messageIndex += 1
        hasFailed = false
        return payload
    }

    /// The ciphers of the session. Throws `notFinished` before the last message.
    public func split() throws(NoiseError) -> (send: CipherState, receive: CipherState) {
        guard isFinished else { throw .notFinished }
        let (initiator, responder) = symmetric.split()
        return role == .initiator ? (initiator, responder) : (responder, initiator)
    }

    private mutating func mix(_ token: NoisePattern.Token) throws(NoiseError) {
        // The initiator's half of each token is named first, so for the responder the letters change places.
        let mineIsStatic: Bool
        let theirsIsStatic: Bool
        switch (token, role) {
        case (.ss, _): (mineIsStatic, theirsIsStatic) = (true, true)
        case (.es, .initiator), (.se, .responder): (mineIsStatic, theirsIsStatic) = (false, true)
        case (.se, .initiator), (.es, .responder): (mineIsStatic, theirsIsStatic) = (true, false)
        default: (mineIsStatic, theirsIsStatic) = (false, false)
        }
        guard let theirs = theirsIsStatic ? remoteStatic : remoteEphemeral else {
            preconditionFailure("a pattern mixes only keys that it has sent before")
        }
        symmetric.mixKey(try (mineIsStatic ? staticKey : ephemeralKey).shared(with: theirs))
    }

    private static func take(_ count: Int, from rest: inout ArraySlice<UInt8>) throws(NoiseError) -> [UInt8] {
        guard rest.count >= count else { throw .messageTooShort }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}
