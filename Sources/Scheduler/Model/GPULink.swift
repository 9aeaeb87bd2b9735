import Codec

/// The way between two devices of a node, written as `nvidia-smi topo` does.
public struct GPULink: Hashable, Sendable, CBORCodable {
    /// The index of the other device.
    public var peer: UInt32
    /// `NV4` for four NVLinks; else `PIX` one PCIe switch, `PXB` several, `PHB` the host bridge of a CPU, `NODE` bridges
    /// of one NUMA node, `SYS` from one node to another.
    public var path: String

    public init(peer: UInt32, path: String) {
        self.peer = peer
        self.path = path
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        peer = try map.require(1)
        path = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, peer)
        map.set(2, path)
        return .map(map)
    }
}
