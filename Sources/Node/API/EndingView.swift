import Codec

/// Something that ends soon or has ended, and what to do.
public struct EndingView: Hashable, Sendable {
    /// `certificate of owl`, `issuer ci`.
    public var what: String
    /// Nanoseconds since the Unix epoch.
    public var ends: Int64
    /// What follows, as a sentence goes on after `what`: `ends in 6d04h: ...`.
    public var detail: String
    public var hint: String

    public init(what: String, ends: Int64, detail: String, hint: String) {
        self.what = what
        self.ends = ends
        self.detail = detail
        self.hint = hint
    }
}

extension EndingView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        what = try map.require(1)
        ends = try map.require(2)
        detail = try map.require(3)
        hint = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, what)
        map.set(2, ends)
        map.set(3, detail)
        map.set(4, hint)
        return .map(map)
    }
}
