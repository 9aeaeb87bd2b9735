import Codec
import Scheduler

/// Gives a setting of the mesh a value, or takes it away.
public struct ConfigureRequest: Hashable, Sendable {
    /// Chosen by the caller: the same id is carried out once.
    public var request: RequestID
    public var key: String
    /// nil: the default again, or for a key of one's own none.
    public var value: String?

    public init(request: RequestID, key: String, value: String?) {
        self.request = request
        self.key = key
        self.value = value
    }
}

extension ConfigureRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        request = try map.require(1)
        key = try map.require(2)
        value = try map.optional(3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, request)
        map.set(2, key)
        map.set(3, value)
        return .map(map)
    }
}
