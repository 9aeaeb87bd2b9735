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
    /// Until then it is not dialled at its addresses, because it was reached through another member only.
    var directAgain = Instant.zero
    /// Until then no other member is asked to reach it, after so many times in vain.
    var relayAgain = Instant.zero
    var relayFailures = 0
    /// Whether it is dialled with the other key of this node, where there is one.
    var knowsOtherKey = false
    /// Of its process, as it said in the session that there is.
    var boot = TwinWatch.unknown
    var twins = TwinWatch()
    /// Why it did not want this node, when it was dialled last.
    var refusal: String?
    /// When anything was last received from it.
    var heard: Instant?
    /// The ciphers to begin with: only the one that everybody has where it took no other last time.
    var suites = SessionConfiguration.preferredSuites
    /// Messages that the last session had not begun to send, and when it ended.
    private var unsent: [(kind: UInt16, bytes: [UInt8], class: TrafficClass)] = []
    private var unsentSince = Instant.zero
    /// What waits longer has been said again by the protocols above, or is void.
    private static let unsentAgeMax = Interval.seconds(2)
    private static let unsentBytesMax = 4 << 20

    init(id: NodeID, noiseKey: [UInt8], addresses: [String]) {
        self.id = id
        self.noiseKey = noiseKey
        self.addresses = addresses
    }

    /// Keeps what an ended session leaves, control first, within bounds.
    func keep(_ messages: [(kind: UInt16, bytes: [UInt8], class: TrafficClass)], at now: Instant) {
        var byteCount = 0
        unsent = messages.filter { message in
            byteCount += message.bytes.count
            return byteCount <= Peer.unsentBytesMax
        }
        unsentSince = now
    }

    /// Hands over what is still worth sending.
    func takeUnsent(at now: Instant) -> [(kind: UInt16, bytes: [UInt8], class: TrafficClass)] {
        let messages = exchange(&unsent, with: [])
        return now - unsentSince <= Peer.unsentAgeMax ? messages : []
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
