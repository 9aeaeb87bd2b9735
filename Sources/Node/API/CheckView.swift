import Codec

/// One line of `doctor`.
public struct CheckView: Hashable, Sendable {
    public var check: String
    /// ok, warn or FAIL.
    public var result: String
    public var detail: String
    public var hint: String?

    public init(check: String, result: String, detail: String, hint: String? = nil) {
        self.check = check
        self.result = result
        self.detail = detail
        self.hint = hint
    }
}

extension CheckView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        check = try map.require(1)
        result = try map.require(2)
        detail = try map.require(3)
        hint = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, check)
        map.set(2, result)
        map.set(3, detail)
        map.set(4, hint)
        return .map(map)
    }
}
