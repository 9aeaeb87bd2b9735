import Codec
import Scheduler

/// Asks for an invitation.
public struct InviteRequest: Hashable, Sendable {
    public var uses: UInt32
    public var timeToLiveSeconds: UInt64
    public var worker: Bool
    public var labels: [Label]

    public init(uses: UInt32 = 1, timeToLiveSeconds: UInt64 = 3600, worker: Bool = false, labels: [Label] = []) {
        self.uses = uses
        self.timeToLiveSeconds = timeToLiveSeconds
        self.worker = worker
        self.labels = labels
    }
}

extension InviteRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        uses = try map.require(1)
        timeToLiveSeconds = try map.require(2)
        worker = try map.require(3)
        labels = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, uses)
        map.set(2, timeToLiveSeconds)
        map.set(3, worker)
        map.set(4, labels)
        return .map(map)
    }
}
