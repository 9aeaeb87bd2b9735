import Codec

/// The numbers of the datagram protocol (docs/datagrams.md). Times after WireGuard (Donenfeld, NDSS 2017, section 6.1).
public enum DatagramConstants {
    static let version: UInt8 = 1
    /// The largest packet, encrypted: with the headers of IPv6 and UDP it fits a path of 1,280 bytes (RFC 8200, section 5).
    public static let packetBytesMax = 1_200
    /// Type, index and counter of a sealed packet, in clear.
    static let headerBytes = 13
    /// Flags and the highest counter heard, inside a sealed packet.
    static let innerBytes = 9
    static let tagBytes = NoiseConstants.tagBytes
    /// The largest message that a datagram carries.
    public static let payloadBytesMax = packetBytesMax - headerBytes - innerBytes - tagBytes
    /// Random bytes of each start of a node: keys of one start are never keys of another.
    public static let saltBytes = 16
    static let macBytes = 16
    /// A hello is longer than its answer, so that nobody gets more out of a node than he puts in.
    static let helloBytes = 62
    static let welcomeBytes = 50

    /// Replay window in packets; RFC 6479 wants blocks of a power of two, of which one is always being filled.
    static let windowBlocks = 64
    public static let windowPackets = UInt64((windowBlocks - 1) * 64)
    /// A link sends no more after so many packets in one life of the process (WireGuard: 2^60).
    static let counterMax: UInt64 = 1 << 60

    /// The side that began a handshake begins the next one at this age of the keys, the other a little later.
    public static let rekeyAge = Interval.seconds(120)
    static let rekeyAgeOfResponder = Interval.seconds(135)
    /// Older keys do not send; they receive for a while longer, for a side that got them later.
    public static let keyAgeMax = Interval.seconds(180)
    static let keyAgeKept = Interval.seconds(240)
    /// An offer of keys that was not taken up.
    static let offerAgeMax = Interval.seconds(60)
    /// Keys that can receive at once, and offers to another side that it has not taken up yet.
    static let keysMax = 4
    static let offersMax = 4
    /// Offers made to one member in a second; only replayed hellos can reach it.
    static let offersPerSecond = 8

    /// A hello without answer is repeated after this time, each time twice as long.
    static let helloPauseMin = Interval.milliseconds(250)
    static let helloPauseMax = Interval.seconds(30)
    /// From this try on the hello goes through the session as well: the port may be blocked in one direction only.
    static let hellosBeforeSession = 2
    /// A link on which nobody wants to say anything for so long asks nothing more.
    static let activeTime = Interval.seconds(30)

    /// A packet wants an answer when none has confirmed another one for this long.
    static let confirmationAge = Interval.milliseconds(400)
    /// What is an answer itself wants one only after this long: else two sides would answer each other's answers.
    static let confirmationAgeOfAnswers = Interval.seconds(1)
    /// What is said to the other side within this time is the answer to a message that wants one; else it gets one of its
    /// own. Well before its sender doubts, and longer than a lease waits for its grant.
    static let answerPatience = Interval.milliseconds(100)
    /// Without that answer for this long (or twice the round trip) messages go both ways.
    static let doubtMin = Interval.milliseconds(200)
    static let doubtMax = Interval.seconds(1)
    /// In doubt an answer is wanted again this often.
    static let doubtPause = Interval.milliseconds(250)
    /// Doubt of this length is certainty: messages go through the session only.
    static let silentAfter = Interval.seconds(2)
    /// For so long after a doubt messages go both ways: a network that lost one packet loses more.
    static let lossyTime = Interval.seconds(10)
    /// A silent direction is tried again after this time, each time twice as long.
    static let retryPauseMin = Interval.seconds(1)
    static let retryPauseMax = Interval.seconds(10)
    /// Messages kept to be sent through the session should they turn out lost.
    static let unconfirmedMax = 32
    /// A direction counts as open for the other side's datagrams for this long after one came.
    static let heardTime = Interval.seconds(30)
    /// Where nothing proven came for so long, the other side may have lost the keys: a new handshake is tried, too.
    static let keysTrustedTime = Interval.seconds(15)
    /// Members that one node keeps links to.
    static let linksMax = 65_536
}
