import Codec

/// Leaves the mesh.
public struct LeaveRequest: Hashable, Sendable {
    /// Also deletes identity, keys and history; needed where this is the last node.
    public var forget: Bool

    public init(forget: Bool = false) {
        self.forget = forget
    }
}

extension LeaveRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        forget = try map.require(1)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, forget)
        return .map(map)
    }
}
