import Codec

/// The numbers of the gossip protocol: SWIM (Das, Gupta, Motivala, DSN 2002), Lifeguard (Dadgar, Phillips, Currey, 2017)
/// and memberlist's defaults, made shorter so that a mesh of 3 to 13 nodes knows of a loss in under 3 s.
public enum SwimConstants {
    /// A round of probes begins (SWIM's protocol period; memberlist on a LAN: 1 s).
    public static let probeInterval = Interval.milliseconds(500)
    /// Without an answer in this time others are asked to probe too (memberlist: 500 ms), until the member's own round
    /// trips are known: then after their mean and four deviations (RFC 6298), within these bounds.
    public static let directTimeout = Interval.milliseconds(200)
    public static let directTimeoutMin = Interval.milliseconds(50)
    public static let directTimeoutMax = Interval.seconds(1)
    /// A probe without any answer in this time has failed. All of it fits in one round.
    public static let probeTimeout = Interval.milliseconds(500)
    /// A probe that is late is tried again this often: where a quarter of everything is lost, each try halves how often a
    /// member is suspected, and each suspicion costs the mesh as much as thousands of tries.
    public static let tryInterval = Interval.milliseconds(100)
    /// A helper that got no answer in this time says so (Lifeguard, "nack"): before the probe of the asker ends.
    public static let helperTimeout = Interval.milliseconds(200)
    /// Members asked to probe for another (SWIM's k; memberlist: 3).
    public static let helperCount = 3
    /// Members probed in one round (SWIM: 1). Up to 9 members all probe each other in every round, so that the first
    /// failed probe of a lost node begins within one; in a larger mesh, which has many probers, fewer do: each member is
    /// probed by about 8, later by 3 in a round.
    public static let probesPerRoundMax = 8
    public static let probesPerRoundMin = 3

    /// Shortest time between suspicion and death, up to 10 members; one more for each factor of 10 (Lifeguard's
    /// logarithmic growth). Long enough for several tries to hear the suspect's word.
    public static let suspicionMin = Interval.seconds(1)
    /// A suspicion that nobody confirms takes this many times longer (Lifeguard's beta is 6; memberlist: 6).
    public static let suspicionMaxFactor: Int64 = 3
    /// So many members beside the first confirm for the shortest time (Lifeguard's K).
    public static let confirmationsMax = 3
    /// How much of the way from the longest to the shortest time each confirmation goes, in thousandths:
    /// log(c + 1) / log(k + 1) for k = 1, 2, 3 wanted confirmations (Lifeguard, section IV-B).
    static let suspicionProgress: [[Int64]] = [[0, 1000], [0, 631, 1000], [0, 500, 792, 1000]]
    /// Who would sentence a suspect calls it this long before, and once more after half of that: an objection may have
    /// been missed.
    public static let lastCallTime = Interval.milliseconds(500)
    public static let lastCalls = 2
    /// Of a mesh larger than this, about this many members probe a suspect at once to confirm or clear it.
    public static let confirmersWanted = 8

    /// Lifeguard's local health multiplier: a node that fails to hear many waits up to this many times longer
    /// (memberlist: 8).
    public static let healthMax: Int64 = 3
    /// So many answers in a row that came after their probe had failed say that this node hears late.
    static let lateAnswersWanted = 2
    /// So many probes in a row without any answer, of helpers either, say that it may hear nobody. Not in a small mesh: there
    /// all others may be gone at once.
    static let silencesWanted = 3
    /// A probe waits for twice this time at most.
    static let latenessMax = Interval.seconds(30)
    /// Failed probes whose answers are still known.
    static let unansweredMax = 64
    /// Probes that wait on for late answers before no new ones begin.
    static let overdueProbesMax = 16
    /// An input that comes this much after its deadline means that this process stood still, not the others.
    public static let stallTolerance = Interval.milliseconds(250)

    /// While there are rumours, some are sent this often (memberlist on a LAN: 200 ms).
    public static let gossipInterval = Interval.milliseconds(100)
    /// To so many members each time (memberlist: 3).
    public static let gossipFanout = 3
    /// Each rumour is sent so many times the decimal digits of the mesh's size, and so many times more (memberlist: 4 and
    /// 0): what a mesh of three has to tell must survive some losses too.
    public static let rumourSendsPerDigit = 4
    public static let rumourSendsMore = 4
    /// In a larger mesh than this what comes back from others counts as sent (a rumour with feedback: Demers et al., PODC
    /// 1987).
    static let smallMeshMax = 20
    /// From so many rumours on each is told as shortly as it can be: about two datagrams of suspicions.
    static let rumoursCrowded = 8
    /// A message that travels as a datagram, encoded. With what seals it, a datagram has at most 1,200 bytes: what passes
    /// everywhere, IPv6 and tunnels included (RFC 9000, section 14).
    public static let messageBytesMax = 1_120
    /// A message without its rumours, encoded.
    static let messageHeaderBytesMax = 64
    /// Rumours in one message, in bytes.
    static let rumourBytesMax = messageBytesMax - messageHeaderBytesMax
    /// Digests, and rumours, in one message of a comparison, in bytes: both fit in a session's record of 64 KiB.
    public static let syncDigestBytesMax = 16 << 10
    public static let syncBytesMax = 40 << 10
    /// Members are compared in buckets of so many ids: first a hash for each bucket, then what differs.
    public static let bucketSize: UInt64 = 64
    /// Buckets whose hashes one message may hold: a million ids.
    public static let bucketsMax = 16_384
    /// A comparison that found more than one message holds goes on at once, this often.
    public static let syncRoundsMax: UInt8 = 32

    /// Two members compare all that they know this often (memberlist's push-pull: 30 s). In a mesh of more than
    /// `syncScaleThreshold` it is this interval once more for each doubling (memberlist: 32).
    public static let syncInterval = Interval.seconds(10)
    public static let syncScaleThreshold = 32
    /// A dead member is tried again this often, one at a time (serf's reconnect: 30 s).
    public static let retryInterval = Interval.seconds(1)

    /// Membership events kept for consumers that lag.
    public static let eventsKept = 1_024
    /// Longest facts of a member (memberlist's meta: 512).
    public static let factBytesMax = 512
    /// Accusers kept and named for one suspicion: the first and all that count as confirmation.
    public static let accusersMax = confirmationsMax + 1
    /// Probes made for others at a time.
    public static let relaysMax = 256
    /// Rumours, and members in a comparison, that one message may name.
    public static let rumoursMax = 2_048
    public static let digestsMax = 8_192
    /// No honest node gets near these; without them one forged number could leave no room to refute it (memberlist#358).
    public static let generationMax: UInt64 = 1 << 62
    public static let renewalMax: UInt32 = 1 << 31
    public static let incarnationMax: UInt32 = 1 << 31
    /// What is told of a member by others may be this much newer than what is known of it here; more has to come from
    /// itself. A day of a change each second is far below it.
    public static let incarnationJumpMax: UInt32 = 1 << 20
    /// Longest signature (Ed25519: 64).
    public static let signatureBytesMax = 64
}
