/// Bounds of the replicated state. Every replica must have the same ones: changing a value is a change of the protocol.
public enum SchedulerLimits {
    /// Members and the departed that are still remembered, together.
    public static let nodesMax = 100_000
    /// Nodes that left and are still known by name.
    public static let departedMax = 1_000
    /// Characters of the reason why a node is drained; more are cut off.
    public static let drainReasonMax = 200
    /// How long a daemon may be away by its own word: 10 min in nanoseconds.
    public static let absenceMax: Int64 = 600_000_000_000
    /// Nodes that wait to be approved.
    public static let knocksMax = 64
    /// How long a node waits to be approved: 10 min in nanoseconds.
    public static let knockNanoseconds: Int64 = 600_000_000_000
    public static let invitationsMax = 10_000
    /// How long an invitation is remembered after its expiry: 7 days in nanoseconds.
    public static let invitationNanoseconds: Int64 = 7 * 86_400_000_000_000
    /// Answers that are remembered, spread over `requestBuckets` by the low bits of the request id.
    public static let requestsMax = 1 << 17
    public static let requestBuckets = 1_024
    /// How long an answer is remembered: 24 h in nanoseconds.
    public static let requestNanoseconds: Int64 = 86_400_000_000_000
    public static let unfinishedJobsMax = 1_000_000
    public static let unfinishedTasksMax = 10_000_000
    /// Recoveries that are remembered.
    public static let recoveriesKept = 64
    /// Ended jobs that stay, the newest ones.
    public static let endedJobsMax = 10_000
    /// Tasks of ended jobs that stay.
    public static let endedTasksMax = 1_000_000
    /// How long an ended job stays: 7 days in nanoseconds.
    public static let endedNanoseconds: Int64 = 7 * 86_400_000_000_000
    /// Ended jobs forgotten by one entry at most, so that no entry takes long.
    public static let forgottenPerEntryMax = 8
    /// Attempts that may wait on one node for the room of others.
    public static let waitingPerNodeMax = 1_024
    /// Checkpoints of one task that stay, whatever its policy says.
    public static let checkpointsMax = 100
    /// An encoded `JobSpec`.
    public static let specBytesMax = 256 << 10
    /// For how long what a node's former key has signed is believed, and how long the next rotation has to wait: 10 min in
    /// nanoseconds.
    public static let rotationNanoseconds: Int64 = 600_000_000_000
    /// For how long outsiders are led from a former mesh key to the one of now: 30 days in nanoseconds.
    public static let meshKeyShownNanoseconds: Int64 = 30 * 86_400_000_000_000
    /// Former keys of a node that are remembered, the newest ones.
    public static let formerKeysMax = 32
    /// Characters of the name of a node or a mesh.
    public static let nameMax = 63
    /// Addresses, labels or GPUs of one node.
    public static let factsMax = 256
    /// Settings whose keys begin with `user.`.
    public static let userSettingsMax = 1_000
    /// UTF-8 bytes of the key of a setting.
    public static let settingKeyBytesMax = 128
    /// Keys outside the members that may issue tokens.
    public static let issuersMax = 256
    /// For how long an issuer may be believed without being used: an hour to 400 days.
    public static let issuerSeconds: ClosedRange<UInt64> = 3_600...400 * 86_400
    /// For how long it is where nothing is said: 30 days.
    public static let issuerSecondsDefault: UInt64 = 30 * 86_400
    /// Tokens, and links below them, whose uses are counted.
    public static let tokensMax = 100_000
    public static let tokenRevocationsMax = 100_000
    public static let tokenLinksMax = 5
    /// Unfinished jobs of one token, where the mesh has not set another number.
    public static let tokenJobsMax = 100
    /// UTF-8 bytes of the name of a token or the id of a key.
    public static let tokenNameBytesMax = 64
    /// How long tokens and what was revoked are remembered at least, longer than any token lives: 40 days in nanoseconds.
    public static let tokenKeptNanoseconds: Int64 = 40 * 86_400_000_000_000
    /// How much later than its end a token may still be used, because clocks differ: 30 s in nanoseconds.
    public static let tokenSkewNanoseconds: Int64 = 30_000_000_000
    /// Reasons in one entry about what a daemon has refused; what has others is counted as one.
    public static let refusalCodesMax = 32
    /// UTF-8 bytes of the value of a setting.
    public static let settingValueBytesMax = 1_024
}
