/// The first bytes of who connects, before anything is encrypted: `"swarmlet" version pattern flags`, and a cookie where it
/// was asked for one (docs/sessions.md, "Opening"). They are part of the Noise prologue, so that a change on the way breaks
/// the handshake.
struct SessionOpening: Hashable, Sendable {
    private enum Flag {
        static let isBound: UInt8 = 1
        /// The handshake is with AES-256-GCM.
        static let suite: UInt8 = 2
        static let cookie: UInt8 = 4
        static let known = isBound | suite | cookie
    }

    /// All but the cookie.
    let bytes: [UInt8]
    /// What the responder gave when it was asked before; empty without.
    private(set) var cookie: [UInt8]

    init(_ pattern: NoisePattern, isBound: Bool, _ suite: NoiseSuite, cookie: [UInt8] = []) {
        precondition(cookie.isEmpty || cookie.count == SessionConstants.cookieBytes, "a cookie is as it was given")
        var flags: UInt8 = isBound ? Flag.isBound : 0
        if suite == .aesGCM { flags |= Flag.suite }
        if !cookie.isEmpty { flags |= Flag.cookie }
        bytes = SessionConstants.magic + [SessionConstants.version, Self.number(pattern), flags]
        self.cookie = cookie
    }

    /// What came: `SessionConstants.openingBytes` of them. Throws where it is none of swarmlet's.
    init(decoding bytes: [UInt8]) throws(MeshError) {
        guard bytes.count == SessionConstants.openingBytes, bytes.starts(with: SessionConstants.magic) else {
            throw .protocolViolation("no swarmlet opening")
        }
        self.bytes = bytes
        cookie = []
    }

    var version: UInt8 { bytes[8] }
    /// nil for one that later versions may know.
    var pattern: NoisePattern? { NoisePattern.allCases.first { Self.number($0) == bytes[9] } }
    var isBound: Bool { bytes[10] & Flag.isBound != 0 }
    /// nil for flags of later versions.
    var suite: NoiseSuite? {
        guard bytes[10] & ~Flag.known == 0 else { return nil }
        return bytes[10] & Flag.suite == 0 ? .chaChaPoly : .aesGCM
    }
    /// How many bytes of a cookie follow.
    var cookieBytes: Int { bytes[10] & Flag.cookie == 0 ? 0 : SessionConstants.cookieBytes }

    mutating func take(cookie: [UInt8]) {
        precondition(cookie.count == cookieBytes, "as many as were announced")
        self.cookie = cookie
    }

    /// All of it, as it lies on the wire and in the prologue.
    var encoded: [UInt8] { bytes + cookie }

    private static func number(_ pattern: NoisePattern) -> UInt8 {
        switch pattern {
        case .xx: 1
        case .ik: 2
        }
    }
}
