import Codec
import Tokens

/// That another key certifies the hosts of the mesh in the place of one that did.
public struct MeshKeyReplacement: Hashable, Sendable, CBORCodable {
    public let rotation: MeshKeyRotation
    /// Nanoseconds since the Unix epoch.
    public let at: Int64

    init(_ rotation: MeshKeyRotation, at: Int64) {
        self.rotation = rotation
        self.at = at
    }

    /// Until when outsiders who know the old key are shown the statement.
    public var shownUntil: Int64 { at + SchedulerLimits.meshKeyShownNanoseconds }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        rotation = try map.require(1)
        at = try map.require(2)
        guard at <= Int64.max - SchedulerLimits.meshKeyShownNanoseconds else {
            throw .invalid("a key that was replaced after the end of time")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, rotation)
        map.set(2, at)
        return .map(map)
    }
}
