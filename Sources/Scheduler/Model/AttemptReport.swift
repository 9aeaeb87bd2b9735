import Codec

/// What a node says about an attempt of its own.
public struct AttemptReport: Hashable, Sendable, CBORCodable {
    public var attempt: AttemptKey
    public var kind: AttemptReportKind
    /// By the clock of the node: nanoseconds since the Unix epoch.
    public var at: Int64
    /// With an end: what the attempt used.
    public var usage: AttemptUsage?
    /// Of one that runs: what became of its setup.
    public var setup: AttemptSetup?

    public init(
        attempt: AttemptKey, kind: AttemptReportKind, at: Int64, usage: AttemptUsage? = nil, setup: AttemptSetup? = nil
    ) {
        self.attempt = attempt
        self.kind = kind
        self.at = at
        self.usage = usage
        self.setup = setup
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        attempt = try map.require(1)
        kind = try map.require(2)
        at = try map.require(3)
        usage = try map.optional(4)
        setup = try map.optional(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, attempt)
        map.set(2, kind)
        map.set(3, at)
        map.set(4, usage)
        map.set(5, setup)
        return .map(map)
    }
}
