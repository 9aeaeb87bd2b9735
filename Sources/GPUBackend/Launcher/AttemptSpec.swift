import Codec
import Scheduler

/// Everything a supervisor needs to run one attempt.
public struct AttemptSpec: Hashable, Sendable, CBORCodable {
    public var key: AttemptKey
    /// The command; the first element is looked up in the PATH of `environment` when it has no slash.
    public var arguments: [String]
    /// Complete, as `NAME=value`: nothing is inherited from the daemon.
    public var environment: [String]
    /// Absolute; writable for the attempt.
    public var workingDirectory: String
    /// More directories that stay writable, absolute: the checkpoint directory, mounts.
    public var writableDirectories: [String]
    /// Nil: as the supervisor's own user.
    public var user: JobUser?
    /// Who it is inside of its own user namespace; nil: `user`. It stays that user to the host.
    public var insideUser: JobUser?
    /// Thousandths of a CPU; 0 is no limit.
    public var cpuMillis: UInt64
    /// 0 is no limit.
    public var memoryBytes: UInt64
    /// Of what it keeps below its working directory; 0 is no limit.
    public var diskBytes: UInt64
    /// Counted while the attempt is not frozen.
    public var timeLimit: Interval?
    /// Between SIGTERM and SIGKILL.
    public var grace: Interval
    public var isolation: Isolation
    /// Nil: host root read-only and `/tmp` of its own, or no more than a process group, as `isolation` says.
    public var sandbox: AttemptSandbox?
    /// Executed to its end before the command, in the same sandbox; empty: there is none. The first element is a path.
    public var setup: [String]
    /// After the setup command nothing is run until the daemon has taken what it made.
    public var keepsSetup: Bool
    /// Devices given to this attempt, for the record; the environment shows them to the command.
    public var gpus: [UInt32]
    /// The mesh may start this task elsewhere, so the attempt is frozen while the lease of its node has passed.
    public var replaceable: Bool
    /// How long it may stay frozen before it is ended.
    public var disconnectLimit: Interval
    /// Where its output goes (see `LogWriter`); absolute.
    public var logPath: String
    /// It reads what is given to it (`SupervisorRequest.input`) until that is at its end; else nothing.
    public var hasInput: Bool
    /// It came with parts that this program does not know: it must not be run without them.
    public private(set) var hasUnknownParts = false

    public init(
        key: AttemptKey, arguments: [String], environment: [String], workingDirectory: String,
        writableDirectories: [String] = [], user: JobUser? = nil, insideUser: JobUser? = nil,
        cpuMillis: UInt64 = 0, memoryBytes: UInt64 = 0, diskBytes: UInt64 = 0,
        timeLimit: Interval? = nil, grace: Interval = .seconds(10), isolation: Isolation,
        sandbox: AttemptSandbox? = nil, setup: [String] = [], keepsSetup: Bool = false, gpus: [UInt32] = [],
        replaceable: Bool = true, disconnectLimit: Interval = .seconds(3600), logPath: String,
        hasInput: Bool = false
    ) {
        self.key = key
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.writableDirectories = writableDirectories
        self.user = user
        self.insideUser = insideUser
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.diskBytes = diskBytes
        self.timeLimit = timeLimit
        self.grace = grace
        self.isolation = isolation
        self.sandbox = sandbox
        self.setup = setup
        self.keepsSetup = keepsSetup
        self.gpus = gpus
        self.replaceable = replaceable
        self.disconnectLimit = disconnectLimit
        self.logPath = logPath
        self.hasInput = hasInput
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        key = try map.require(1)
        arguments = try map.require(2)
        environment = try map.require(3)
        workingDirectory = try map.require(4)
        writableDirectories = try map.optional(5) ?? []
        user = try map.optional(6)
        cpuMillis = try map.optional(7) ?? 0
        memoryBytes = try map.optional(8) ?? 0
        timeLimit = try map.optional(9)
        grace = try map.require(10)
        sandbox = try map.optional(16)
        setup = try map.optional(17) ?? []
        keepsSetup = try map.optional(18) ?? false
        insideUser = try map.optional(20)
        let number: UInt64 = try map.require(11)
        isolation = try Isolation(cbor: (sandbox == nil && setup.isEmpty ? number : number &- Self.sandboxed).cbor)
        gpus = try map.optional(12) ?? []
        replaceable = try map.require(13)
        disconnectLimit = try map.require(14)
        logPath = try map.require(15)
        hasInput = try map.optional(19) ?? false
        diskBytes = try map.optional(21) ?? 0
        hasUnknownParts = !map.without(0...21).isEmpty || sandbox?.hasUnknownParts ?? false
        guard !arguments.isEmpty else { throw .invalid("an attempt without a command") }
        guard workingDirectory.utf8.first == UInt8(ascii: "/"), logPath.utf8.first == UInt8(ascii: "/") else {
            throw .invalid("a relative directory in an attempt")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, key)
        map.set(2, arguments)
        map.set(3, environment)
        map.set(4, workingDirectory)
        map.set(5, writableDirectories)
        map.set(6, user)
        map.set(7, cpuMillis)
        map.set(8, memoryBytes)
        map.set(9, timeLimit)
        map.set(10, grace)
        // A supervisor that knows of no sandbox and no setup refuses the number, instead of running the attempt without.
        map.set(11, UInt64(isolation.rawValue) + (sandbox == nil && setup.isEmpty ? 0 : Self.sandboxed))
        map.set(12, gpus)
        map.set(13, replaceable)
        map.set(14, disconnectLimit)
        map.set(15, logPath)
        map.set(16, sandbox)
        map.set(17, setup.isEmpty ? nil : setup)
        map.set(18, keepsSetup ? true : nil)
        map.set(20, insideUser)
        map.set(19, hasInput ? true : nil)
        map.set(21, diskBytes > 0 ? diskBytes : nil)
        return .map(map)
    }

    /// Which version a supervisor needs that is not to leave out a part of it. Before version 5 they passed over what they did
    /// not know.
    public var leastVersion: UInt32 {
        if sandbox?.meshAddresses != nil { return 7 }
        if diskBytes > 0 || sandbox?.door != nil { return 6 }
        if insideUser != nil || sandbox?.image != nil || sandbox?.place != nil { return 5 }
        return hasInput ? 4 : setup.isEmpty ? 1 : 3
    }

    /// Where it finds its working directory.
    var seenDirectory: String { sandbox?.place ?? workingDirectory }

    /// Added to the isolation of an attempt that has a sandbox or a setup command.
    private static let sandboxed: UInt64 = 16

    /// The value of PATH in the environment, or the one that execvp(3) would take.
    var searchPath: String {
        for entry in environment where entry.hasPrefix("PATH=") { return String(entry.dropFirst(5)) }
        return "/usr/local/bin:/usr/bin:/bin"
    }

    /// The files to try, in order.
    var candidates: [String] {
        let command = arguments[0]
        if command.utf8.contains(UInt8(ascii: "/")) { return [command] }
        return searchPath.split(separator: ":", omittingEmptySubsequences: false).map { directory in
            directory.isEmpty ? "./\(command)" : "\(directory)/\(command)"
        }
    }
}
