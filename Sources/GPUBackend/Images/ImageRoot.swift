import Codec

/// The directory that is the root of an attempt.
public struct ImageRoot: Hashable, Sendable, CBORCodable {
    /// Absolute, without links.
    public var path: String
    /// The daemon has unpacked it; else it is looked up with the rights of the attempt's user.
    public var isUnpacked: Bool

    public init(path: String, isUnpacked: Bool) {
        self.path = path
        self.isUnpacked = isUnpacked
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        path = try map.require(1)
        isUnpacked = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, path)
        map.set(2, isUnpacked)
        return .map(map)
    }
}
