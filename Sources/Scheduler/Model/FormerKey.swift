import Codec

/// A key that was a node's identity before another one took its place.
public struct FormerKey: Hashable, Sendable, CBORCodable {
    /// The Ed25519 public key, 32 bytes.
    public var key: Bytes
    /// When it was replaced, in nanoseconds since the Unix epoch.
    public var replacedAt: Int64

    public init(key: Bytes, replacedAt: Int64) {
        self.key = key
        self.replacedAt = replacedAt
    }

    /// Until when what it had signed by then is believed, in nanoseconds since the Unix epoch.
    public var believedUntil: Int64 { replacedAt + SchedulerLimits.rotationNanoseconds }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        key = try map.require(1)
        replacedAt = try map.require(2)
        guard replacedAt <= Int64.max - SchedulerLimits.rotationNanoseconds else {
            throw .invalid("a key that was replaced after the end of time")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, key)
        map.set(2, replacedAt)
        return .map(map)
    }
}
