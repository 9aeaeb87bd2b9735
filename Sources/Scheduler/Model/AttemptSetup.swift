import Codec

/// What became of the setup command of an attempt that went on to its command.
public struct AttemptSetup: Hashable, Sendable, CBORCodable {
    /// How long it took, or to put there what another attempt had kept.
    public var milliseconds: UInt64
    public var use: Use
    /// The job whose setup was used.
    public var from: JobID?
    /// Why what it made is not kept, in words; nil where it is, or where nobody wanted to keep it.
    public var reason: String?

    public enum Use: UInt64, Sendable {
        /// It ran, and the next one does, too.
        case ran = 0
        /// It ran, and what it made is kept on its node.
        case kept = 1
        /// What was kept was used, and nothing ran.
        case reused = 2

        public var name: String {
            switch self {
            case .ran: "ran"
            case .kept: "kept"
            case .reused: "reused"
            }
        }
    }

    public init(milliseconds: UInt64, use: Use, from: JobID? = nil, reason: String? = nil) {
        self.milliseconds = milliseconds
        self.use = use
        self.from = from
        self.reason = reason
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        milliseconds = try map.require(1)
        let number: UInt64 = try map.require(2)
        guard let use = Use(rawValue: number) else { throw .unknownKind("AttemptSetup.Use", number) }
        self.use = use
        from = try map.optional(3)
        reason = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, milliseconds)
        map.set(2, use.rawValue)
        map.set(3, from)
        map.set(4, reason)
        return .map(map)
    }
}
