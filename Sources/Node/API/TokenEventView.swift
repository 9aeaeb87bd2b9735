import Codec

/// Something that happened to a token.
public struct TokenEventView: Hashable, Sendable {
    public enum Event: String, Hashable, Sendable {
        /// It was made through the mesh.
        case issued
        /// It has started a job.
        case used
        /// It, or a key that holds or issues tokens, was withdrawn.
        case revoked
        /// Whoever showed it was told no.
        case refused
        /// A key outside the members may issue tokens.
        case issuer
    }

    /// Nanoseconds since the Unix epoch.
    public var at: Int64
    /// As it is counted, 22 characters; nil for what is about many.
    public var token: String?
    public var event: Event
    /// The job, who did it, or why it was refused.
    public var detail: String?

    public init(at: Int64, token: String?, event: Event, detail: String? = nil) {
        self.at = at
        self.token = token
        self.event = event
        self.detail = detail
    }
}

extension TokenEventView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        at = try map.require(1)
        token = try map.optional(2)
        guard let event = Event(rawValue: try map.require(3)) else { throw .invalid("an unknown event of a token") }
        self.event = event
        detail = try map.optional(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, at)
        map.set(2, token)
        map.set(3, event.rawValue)
        map.set(4, detail)
        return .map(map)
    }
}
