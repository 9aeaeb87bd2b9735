import Codec

/// What keeps jobs from a device for now.
public struct GPUObstacle: Hashable, Sendable, CBORCodable {
    public enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        /// Somebody computes on it beside swarmlet.
        case inUse = 1
        /// Its driver reports an error, or cannot reach it.
        case unhealthy = 2
    }

    public var kind: Kind
    /// For people: `in use by bob (4711)`, `XID 79; reset it: nvidia-smi --gpu-reset -i 0`.
    public var text: String

    public init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        guard let kind = Kind(rawValue: try map.require(1)) else { throw .invalid("an unknown obstacle") }
        self.kind = kind
        text = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, kind.rawValue)
        map.set(2, text)
        return .map(map)
    }
}
