import Codec

/// An error as the user sees it: what is wrong, and the way out.
public struct APIFailure: Hashable, Sendable {
    /// Stable, `mesh.join.token_used`.
    public var code: String
    public var message: String
    public var hint: String
    public var exitCode: Int32

    public init(code: String, message: String, hint: String, exitCode: Int32 = 125) {
        self.code = code
        self.message = message
        self.hint = hint
        self.exitCode = exitCode
    }
}

extension APIFailure: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        code = try map.require(1)
        message = try map.require(2)
        hint = try map.require(3)
        exitCode = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, code)
        map.set(2, message)
        map.set(3, hint)
        map.set(4, exitCode)
        return .map(map)
    }
}
