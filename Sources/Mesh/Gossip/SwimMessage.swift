import Codec

/// One message between two members. The session under it proves the sender.
public struct SwimMessage: Hashable, Sendable {
    /// What a member knows of another, without the facts.
    public struct Digest: Hashable, Sendable {
        public var subject: NodeID
        public var version: SwimVersion
        public var state: MemberState
        /// Whether the facts of this version are known too.
        public var hasFacts: Bool

        public init(subject: NodeID, version: SwimVersion, state: MemberState, hasFacts: Bool) {
            self.subject = subject
            self.version = version
            self.state = state
            self.hasFacts = hasFacts
        }
    }

    public enum Kind: Hashable, Sendable {
        /// Answer with `ack` and this number.
        case ping(UInt64)
        /// The probe with this number was answered, by the sender itself or by the member it was asked to probe.
        case ack(UInt64)
        /// Probe this member for me.
        case pingRequest(UInt64, target: NodeID)
        /// I am here, but the member you asked me to probe does not answer me either.
        case nack(UInt64)
        /// Rumours only.
        case gossip
        /// All that I know; tell me what is newer, and what you know.
        case sync([Digest])
        /// The other half of it.
        case syncReply([Digest])
    }

    public var kind: Kind
    /// The sender's own version: that it speaks proves that it lives.
    public var version: SwimVersion
    public var rumours: [SwimRumour]

    public init(kind: Kind, version: SwimVersion, rumours: [SwimRumour] = []) {
        self.kind = kind
        self.version = version
        self.rumours = rumours
    }
}

extension SwimMessage.Digest: CBORCodable {
    public var cbor: CBOR { .array([subject.cbor, version.cbor, state.rawValue.cbor, hasFacts.cbor]) }

    public init(cbor: CBOR) throws(CodecError) {
        let fields = try cbor.requireArray()
        guard fields.count == 4 else { throw .invalid("a member's digest that is cut off") }
        subject = try NodeID(cbor: fields[0])
        version = try SwimVersion(cbor: fields[1])
        guard let state = MemberState(rawValue: try UInt8(cbor: fields[2])) else {
            throw .invalid("a member's state that is not known here")
        }
        self.state = state
        hasFacts = try Bool(cbor: fields[3])
    }
}

// {0: kind, 1: version, 2: rumours, 3: number, 4: target, 5: digests}; empty lists are left out.
extension SwimMessage: CBORCodable {
    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, version)
        map.set(2, rumours.isEmpty ? nil : rumours)
        switch kind {
        case .ping(let number):
            map.set(0, 1)
            map.set(3, number)
        case .ack(let number):
            map.set(0, 2)
            map.set(3, number)
        case .pingRequest(let number, let target):
            map.set(0, 3)
            map.set(3, number)
            map.set(4, target)
        case .nack(let number):
            map.set(0, 4)
            map.set(3, number)
        case .gossip: map.set(0, 5)
        case .sync(let digests):
            map.set(0, 6)
            map.set(5, digests)
        case .syncReply(let digests):
            map.set(0, 7)
            map.set(5, digests)
        }
        return .map(map)
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        version = try map.require(1)
        rumours = try map.optional(2) ?? []
        guard rumours.count <= SwimConstants.rumoursMax else { throw .invalid("too many rumours") }
        switch try map.require(0, Int.self) {
        case 1: kind = .ping(try map.require(3))
        case 2: kind = .ack(try map.require(3))
        case 3: kind = .pingRequest(try map.require(3), target: try map.require(4))
        case 4: kind = .nack(try map.require(3))
        case 5: kind = .gossip
        case 6: kind = .sync(try Self.digests(map))
        case 7: kind = .syncReply(try Self.digests(map))
        case let kind: throw .invalid("gossip message \(kind), which is not known here")
        }
    }

    private static func digests(_ map: CBORMap) throws(CodecError) -> [Digest] {
        let digests: [Digest] = try map.require(5)
        guard digests.count <= SwimConstants.digestsMax else { throw .invalid("too many members") }
        return digests
    }
}
