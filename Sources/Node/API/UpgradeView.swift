import Codec

/// What a host runs, and how far an upgrade of it is.
public struct UpgradeView: Hashable, Sendable {
    public var node: String
    /// `0.1.0+1f3a9c0b`: of the program that runs.
    public var version: String
    /// Its digest; nil while it has not looked yet.
    public var program: Digest?
    /// Whether its state of the mesh is as new as the mesh's own.
    public var isCurrent: Bool
    /// Attempts that the mesh has there.
    public var attempts: UInt32
    /// Of these, those that its daemon does not look after yet.
    public var missing: UInt32
    /// Why the last upgrade of it was taken back; nil: it was not.
    public var takenBack: String?
    /// How long a daemon that begins may take there until it answers.
    public var patienceMilliseconds: UInt64
    /// Where its daemon writes what happens to it; nil: it is too old to say so.
    public var daemonLog: String?

    public init(
        node: String, version: String, program: Digest?, isCurrent: Bool, attempts: UInt32, missing: UInt32,
        takenBack: String?, patienceMilliseconds: UInt64, daemonLog: String?
    ) {
        self.node = node
        self.version = version
        self.program = program
        self.isCurrent = isCurrent
        self.attempts = attempts
        self.missing = missing
        self.takenBack = takenBack
        self.patienceMilliseconds = patienceMilliseconds
        self.daemonLog = daemonLog
    }
}

extension UpgradeView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        node = try map.require(1)
        version = try map.require(2)
        program = try map.optional(3)
        isCurrent = try map.require(4)
        attempts = try map.require(5)
        missing = try map.require(6)
        takenBack = try map.optional(7)
        patienceMilliseconds = try map.require(8)
        daemonLog = try map.optional(9)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, node)
        map.set(2, version)
        map.set(3, program)
        map.set(4, isCurrent)
        map.set(5, attempts)
        map.set(6, missing)
        map.set(7, takenBack)
        map.set(8, patienceMilliseconds)
        map.set(9, daemonLog)
        return .map(map)
    }
}
