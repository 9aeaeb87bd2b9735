import Codec
import Mesh
import Ring

/// Another member as this node reaches it. Confined to its loop.
final class Peer: @unchecked Sendable {
    let id: NodeID
    var noiseKey: [UInt8]
    /// `HOST:PORT`, the last one that worked first.
    var addresses: [String]
    var session: Session?
    /// Whether this node dialled the session.
    var isDialled = false
    var isDialling = false
    var nextDial = Instant.zero
    var failures = 0
    /// Until then streams go over the session that it dialled: it did not answer at its addresses, as behind a router
    /// that translates them.
    var unreachableUntil = Instant.zero
    /// When anything was last received from it.
    var heard: Instant?

    init(id: NodeID, noiseKey: [UInt8], addresses: [String]) {
        self.id = id
        self.noiseKey = noiseKey
        self.addresses = addresses
    }
}

/// Where a member was last, kept on disk so that a mesh that was switched off finds itself again.
struct PeerRecord: Hashable, Sendable, CBORCodable {
    var id: NodeID
    var noiseKey: Bytes
    var addresses: [String]

    init(id: NodeID, noiseKey: Bytes, addresses: [String]) {
        self.id = id
        self.noiseKey = noiseKey
        self.addresses = addresses
    }

    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        id = try map.require(1)
        noiseKey = try map.require(2)
        addresses = try map.require(3)
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, id)
        map.set(2, noiseKey)
        map.set(3, addresses)
        return .map(map)
    }
}
