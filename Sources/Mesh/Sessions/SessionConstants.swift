import Codec

/// The numbers of the session protocol.
public enum SessionConstants {
    /// Both sides begin with these bytes, so that a stranger is recognised at once.
    static let magic = Array("swarmlet".utf8)
    static let version: UInt8 = 1
    /// In the answer, beside the version: the responder takes part in exchanges of keys.
    static let rekeyFlag: UInt8 = 0x80
    /// The initiator's opening: magic, version, pattern, whether the mesh id is bound.
    static let openingBytes = 11
    /// The responder's opening: magic, version, status.
    static let answerBytes = 10
    /// A whole handshake, from the accepted connection to the first record.
    public static let handshakeTimeout = Interval.seconds(10)
    /// Handshakes under way at a listener; what comes above is turned away.
    public static let halfOpenMax = 64
    /// Of these from one address, so that no single host takes them all.
    public static let halfOpenPerAddressMax = 48
    /// Connections that have not said their first word; where more come, who has been silent for longest goes.
    static let lobbyMax = 512
    /// Of the handshakes that may be under way, one in so many is for those who show a cookie.
    static let cookieShare = 4
    static let cookieBytes = 16
    static let cookieSecretBytes = 32
    static let cookieSecretAge = Interval.seconds(120)
    /// What an initiator adds to its first message at a first contact, so that the answer is not longer than the question.
    static let firstContactPaddingBytes = 8_192
    /// A handshake message with its payload: what a stranger can make us hold.
    public static let handshakeFrameBytesMax = 16_384
    /// Sessions that a listener serves at once.
    public static let sessionsMax = 8_192

    /// When nothing was heard for so long a ping is sent, and sent again after as long: two tries before the session is
    /// taken for dead. Whatever is heard is as good as an answer, so of two idle sides mostly one asks.
    public static let keepAliveInterval = Interval.seconds(2)
    /// A session on which nothing was heard for so long is dead.
    public static let silenceMax = Interval.seconds(5)
    /// How long a session that is closed tries to say why.
    static let farewellTimeout = Interval.seconds(1)

    /// The content of a message or stream fragment in one record. Small enough that a control message waits for little.
    static let fragmentBytesMax = 32_768
    /// What the kernel may keep, and double, of a session whose urgent messages are to overtake the others.
    static let unreadBytesMax: Int32 = 131_072
    /// Bytes of records given to the kernel in one call.
    static let batchBytes = 65_536
    /// The largest message.
    public static let messageBytesMax = 16 << 20
    /// What a stream's sender may send before the receiver has taken something (and each fragment counts its overhead).
    static let streamWindowBytes = 262_144
    static let fragmentOverheadBytes = 16
    /// Credit is given back in portions of at least this size.
    static let creditPortionBytes = 65_536
    /// Streams open at once, by each side.
    public static let streamsMax = 256
    /// One-way messages that wait in one traffic class.
    public static let queuedMessagesMax = 8_192
    public static let queuedBytesMax = 32 << 20
    /// Small frames of the session itself that wait; only a peer that floods can reach it.
    static let urgentFramesMax = 4_096
    /// Both sides replace a direction's key after so many of its records (Noise section 11.3).
    static let recordsPerRekey: UInt64 = 65_536
    /// New keys from a new exchange after this time (WireGuard: 120 s), or after so many bytes of one session.
    public static let rekeyInterval = Interval.seconds(120)
    public static let rekeyBytes: UInt64 = 64 << 30
    /// An exchange that takes longer ends the session: the other side does not do what it said it could.
    static let exchangeTimeout = Interval.seconds(60)
    /// The reason of a close or a refusal, in bytes of UTF-8.
    static let reasonBytesMax = 256
}
