import Codec

/// A file or directory of the host that a job wants to see.
public struct MountRequest: Hashable, Sendable, CBORCodable {
    /// On the host; absolute.
    public var source: String
    /// In the job; absolute.
    public var target: String
    public var isWritable: Bool

    public init(source: String, target: String, isWritable: Bool) {
        self.source = source
        self.target = target
        self.isWritable = isWritable
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        source = try map.require(1)
        target = try map.optional(2) ?? source
        isWritable = try map.optional(3) ?? false
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, source)
        map.set(2, target == source ? nil : target)
        map.set(3, isWritable ? true : nil)
        return .map(map)
    }
}
