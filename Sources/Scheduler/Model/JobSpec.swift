import Codec

/// What a submitter asks for. It never changes after it was accepted.
public struct JobSpec: Hashable, Sendable, CBORCodable {
    public var name: String
    /// The program and its arguments; never empty in an accepted job.
    public var command: [String]
    /// Variables that are set for it.
    public var environment: [Label]
    /// Who submitted it, for people.
    public var user: String
    /// Of the submitter, on the node it was submitted at.
    public var uid: UInt32
    /// Of the submitter, on the node it was submitted at.
    public var gid: UInt32
    /// A user that was asked for by name.
    public var runAs: String?
    /// Of each task.
    public var resources: Resources
    /// Size of the array; 1 for a plain job.
    public var tasks: UInt32
    /// Of each attempt.
    public var timeLimitMilliseconds: UInt64?
    /// Between the polite signal and the hard one.
    public var graceMilliseconds: UInt64
    public var retry: RetryPolicy
    public var checkpoint: CheckpointPolicy?
    /// Patterns of the files that are results.
    public var outputs: [String]
    /// The manifest of the working directory that travels with it.
    public var workingTree: Digest?
    /// Where it was submitted.
    public var submitNode: NodeID
    /// Wait even where no member could ever hold it.
    public var allowPending: Bool
    /// Submitted as an array, even one of one task: its tasks are named 42_0.
    public var isArray: Bool
    /// How it is kept apart from its host; nil: as the host does it.
    public var sandbox: SandboxSpec?
    /// Its tasks start together or not at all; nil: each when there is room for it.
    public var gang: GangSpec?
    /// The token that it was submitted with; nil for a job of a member.
    public var guest: GuestPass?
    /// Its command reads what the submitter gives it; else nothing.
    public var hasInput: Bool
    /// What an attempt may keep below its working directory, in bytes; nil: as its host allows.
    public var diskBytes: UInt64?
    /// Keys of a newer version, kept as they came.
    public var unknown: CBORMap

    public init(
        name: String, command: [String], environment: [Label] = [], user: String, uid: UInt32 = 0, gid: UInt32 = 0,
        runAs: String? = nil, resources: Resources = Resources(), tasks: UInt32 = 1,
        timeLimitMilliseconds: UInt64? = nil, graceMilliseconds: UInt64 = 10_000, retry: RetryPolicy = .times(0),
        checkpoint: CheckpointPolicy? = nil, outputs: [String] = [], workingTree: Digest? = nil, submitNode: NodeID,
        allowPending: Bool = false, isArray: Bool = false, sandbox: SandboxSpec? = nil, gang: GangSpec? = nil,
        guest: GuestPass? = nil, hasInput: Bool = false, diskBytes: UInt64? = nil, unknown: CBORMap = CBORMap()
    ) {
        self.name = name
        self.command = command
        self.environment = environment
        self.user = user
        self.uid = uid
        self.gid = gid
        self.runAs = runAs
        self.resources = resources
        self.tasks = tasks
        self.timeLimitMilliseconds = timeLimitMilliseconds
        self.graceMilliseconds = graceMilliseconds
        self.retry = retry
        self.checkpoint = checkpoint
        self.outputs = outputs
        self.workingTree = workingTree
        self.submitNode = submitNode
        self.allowPending = allowPending
        self.isArray = isArray
        self.sandbox = sandbox
        self.gang = gang
        self.guest = guest
        self.hasInput = hasInput
        self.diskBytes = diskBytes
        self.unknown = unknown
    }

    /// The tasks of an accepted job at most.
    public static let tasksMax: UInt32 = 1_000_000

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        name = try map.require(1)
        command = try map.require(2)
        environment = try map.optional(3) ?? []
        user = try map.require(4)
        uid = try map.optional(5) ?? 0
        gid = try map.optional(6) ?? 0
        runAs = try map.optional(7)
        resources = try map.optional(8) ?? Resources()
        tasks = try map.optional(9) ?? 1
        timeLimitMilliseconds = try map.optional(10)
        graceMilliseconds = try map.optional(11) ?? 10_000
        retry = try map.optional(12) ?? .times(0)
        checkpoint = try map.optional(13)
        outputs = try map.optional(14) ?? []
        workingTree = try map.optional(15)
        submitNode = try map.require(16)
        allowPending = try map.optional(17) ?? false
        isArray = try map.optional(18) ?? false
        sandbox = try map.optional(19)
        gang = try map.optional(20)
        guest = try map.optional(21)
        hasInput = try map.optional(22) ?? false
        diskBytes = try map.optional(23)
        unknown = map.without(0...23)
        if let gang, gang.ranks != tasks { throw .invalid("a gang whose tasks are not its ranks") }
    }

    public var cbor: CBOR {
        var map = unknown
        map.set(1, name)
        map.set(2, command)
        map.set(3, environment)
        map.set(4, user)
        map.set(5, uid)
        map.set(6, gid)
        map.set(7, runAs)
        map.set(8, resources)
        map.set(9, tasks)
        map.set(10, timeLimitMilliseconds)
        map.set(11, graceMilliseconds)
        map.set(12, retry)
        map.set(13, checkpoint)
        map.set(14, outputs)
        map.set(15, workingTree)
        map.set(16, submitNode)
        map.set(17, allowPending)
        map.set(18, isArray)
        map.set(19, sandbox)
        map.set(20, gang)
        map.set(21, guest)
        map.set(22, hasInput ? true : nil)
        map.set(23, diskBytes)
        return .map(map)
    }
}

extension JobSpec {
    /// Whether its command reaches the network of its host: members' jobs do where nothing is said, those of strangers
    /// do not.
    public var hasNetwork: Bool {
        let profile = sandbox?.profile ?? .standard
        return (sandbox?.network ?? (profile == .strict ? .off : .on)) == .on
    }
}
