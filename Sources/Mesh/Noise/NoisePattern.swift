/// A handshake pattern (Noise section 7).
public enum NoisePattern: String, CaseIterable, Sendable {
    /// Both sides send their static keys encrypted: for first contact. Three messages.
    case xx = "XX"
    /// The initiator knows the responder's static key and sends its own at once: between members. Two messages.
    case ik = "IK"

    /// One step of a message (Noise section 5.3).
    enum Token: Sendable {
        /// Send the ephemeral public key.
        case e
        /// Send the static public key.
        case s
        /// Diffie-Hellman of ephemeral and ephemeral key; the initiator's key is named first in all four.
        case ee
        case es
        case se
        case ss
    }

    /// Whether the initiator must know the responder's static key beforehand.
    public var needsResponderStatic: Bool { self == .ik }

    /// The full protocol name, which both sides hash first.
    public func protocolName(_ suite: NoiseSuite) -> String { "Noise_\(rawValue)_\(suite.name)" }

    /// The tokens of each message; the initiator writes the first, then the sides take turns.
    var messages: [[Token]] {
        switch self {
        case .xx: [[.e], [.e, .ee, .s, .es], [.s, .se]]
        case .ik: [[.e, .es, .s, .ss], [.e, .ee, .se]]
        }
    }
}
