import Codec

/// How often a daemon has refused something for the same reason since it last said so.
public struct RefusalCount: Hashable, Sendable, CBORCodable {
    /// A stable code, of small letters, digits, dots and underscores.
    public var code: String
    public var count: UInt64

    public init(code: String, count: UInt64) {
        self.code = code
        self.count = count
    }

    /// Whether it can be believed: what is no code is somebody's text.
    var isPlain: Bool {
        (1...64).contains(code.utf8.count) && count > 0 && count <= UInt64(Int64.max)
            && code.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x5F
            }
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        code = try map.require(1)
        count = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, code)
        map.set(2, count)
        return .map(map)
    }
}
