import Codec

/// An invitation as its maker receives it.
public struct InvitationView: Hashable, Sendable {
    /// The whole invitation, one line `swm1.…`.
    public var line: String
    /// The first four characters of its id, for messages.
    public var shortID: String
    public var uses: UInt32
    /// Unix nanoseconds.
    public var expires: Int64

    public init(line: String, shortID: String, uses: UInt32, expires: Int64) {
        self.line = line
        self.shortID = shortID
        self.uses = uses
        self.expires = expires
    }
}

extension InvitationView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        line = try map.require(1)
        shortID = try map.require(2)
        uses = try map.require(3)
        expires = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, line)
        map.set(2, shortID)
        map.set(3, uses)
        map.set(4, expires)
        return .map(map)
    }
}
