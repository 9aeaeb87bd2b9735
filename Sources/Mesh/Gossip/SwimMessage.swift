import Codec

/// One message between two members. The seal of the datagram, or the session, under it proves the sender.
public struct SwimMessage: Hashable, Sendable {
    /// What a member knows of another, without the facts.
    public struct Digest: Hashable, Sendable {
        public var subject: NodeID
        public var version: SwimVersion
        public var state: MemberState
        /// Whether it holds the word for it, and could pass it on.
        public var hasWord: Bool
        public var factsVersion: SwimVersion
    }

    /// What a member knows of all ids from `number * bucketSize` on, up to the next bucket, as one number.
    public struct Bucket: Hashable, Sendable {
        public var number: UInt64
        public var hash: UInt64
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
        /// Where do we differ? Hashes under this salt, of every bucket in which I know someone.
        case compare(salt: UInt64, [Bucket], rounds: UInt8)
        /// All that I know in these buckets (everywhere, where none is named): tell me what is newer, and what you know.
        case sync([Digest], buckets: [UInt64], rounds: UInt8)
        /// The other half of it.
        case syncReply([Digest], buckets: [UInt64], rounds: UInt8)
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

extension SwimMessage.Digest {
    static let byteCountMax = 48

    /// As programs speak it that know no signatures.
    private static let unsignedFieldCount = 4

    func cbor(isSigned: Bool) -> CBOR {
        guard isSigned else {
            return .array([subject.cbor, version.cbor, state.rawValue.cbor, (factsVersion == version).cbor])
        }
        return .array([subject.cbor, version.cbor, state.rawValue.cbor, hasWord.cbor, factsVersion.cbor])
    }

    init(cbor: CBOR) throws(CodecError) {
        let fields = try cbor.requireArray()
        guard fields.count >= Self.unsignedFieldCount else { throw .invalid("a member's digest that is cut off") }
        subject = try NodeID(cbor: fields[0])
        version = try SwimVersion(cbor: fields[1])
        state = try MemberState(cbor: fields[2])
        let flag = try Bool(cbor: fields[3])
        if fields.count == Self.unsignedFieldCount {
            hasWord = true
            factsVersion = flag ? version : .unheard
        } else {
            hasWord = flag
            factsVersion = try SwimVersion(cbor: fields[4])
        }
    }
}

extension SwimMessage {
    /// Its encoded bytes, or a few more.
    public var byteCount: Int {
        // The map, kind and version, the head of each list, and numbers.
        var count = 3 + 1 + version.byteCount
        switch kind {
        case .ping(let number), .ack(let number), .nack(let number): count += 1 + CBORSize.head(number)
        case .pingRequest(let number, let target):
            count += 2 + CBORSize.head(number) + CBORSize.head(target.rawValue)
        case .gossip: break
        case .compare(_, let buckets, _):
            count += 16 + buckets.reduce(0) { $0 + 10 + CBORSize.head($1.number) }
        case .sync(let digests, let buckets, _), .syncReply(let digests, let buckets, _):
            count += 16 + digests.count * Digest.byteCountMax + buckets.reduce(0) { $0 + CBORSize.head($1) }
        }
        guard !rumours.isEmpty else { return count }
        return rumours.reduce(count + 4) { $0 + $1.byteCount }
    }
}

// {0: kind, 1: version, 2: unsigned rumours, 3: number or salt, 4: target, 5: digests, 6: signed rumours, 7: buckets,
// 8: rounds, 9: numbers of buckets}; empty lists are left out. Programs of level 1 know keys 0 to 5 and kinds 1 to 7.
extension SwimMessage: CBORCodable {
    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, version)
        let (signed, unsigned) = (rumours.filter(\.isSigned), rumours.filter { !$0.isSigned })
        if !unsigned.isEmpty { map[2] = .array(unsigned.map(\.unsignedCBOR)) }
        if !signed.isEmpty { map[6] = .array(signed.map(\.cbor)) }
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
        case .sync(let digests, let buckets, let rounds):
            map.set(0, buckets.isEmpty ? 6 : 9)
            Self.set(digests, buckets, rounds, in: &map)
        case .syncReply(let digests, let buckets, let rounds):
            map.set(0, buckets.isEmpty ? 7 : 10)
            Self.set(digests, buckets, rounds, in: &map)
        case .compare(let salt, let buckets, let rounds):
            map.set(0, 8)
            map.set(3, salt)
            map[7] = .array(buckets.map { .array([.unsigned($0.number), .unsigned($0.hash)]) })
            map.set(8, UInt64(rounds))
        }
        return .map(map)
    }

    private static func set(_ digests: [Digest], _ buckets: [UInt64], _ rounds: UInt8, in map: inout CBORMap) {
        map[5] = .array(digests.map { $0.cbor(isSigned: !buckets.isEmpty) })
        guard !buckets.isEmpty else { return }
        map.set(8, UInt64(rounds))
        map.set(9, buckets)
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        version = try map.require(1)
        rumours = []
        for field in try map[2]?.requireArray() ?? [] { rumours += try SwimRumour.unsigned(field) }
        for field in try map[6]?.requireArray() ?? [] { rumours.append(try SwimRumour(cbor: field)) }
        guard rumours.count <= SwimConstants.rumoursMax else { throw .invalid("too many rumours") }
        switch try map.require(0, Int.self) {
        case 1: kind = .ping(try map.require(3))
        case 2: kind = .ack(try map.require(3))
        case 3: kind = .pingRequest(try map.require(3), target: try map.require(4))
        case 4: kind = .nack(try map.require(3))
        case 5: kind = .gossip
        case 6: kind = .sync(try Self.digests(map), buckets: [], rounds: 0)
        case 7: kind = .syncReply(try Self.digests(map), buckets: [], rounds: 0)
        case 8: kind = .compare(salt: try map.require(3), try Self.hashes(map), rounds: try map.require(8))
        case 9: kind = .sync(try Self.digests(map), buckets: try Self.buckets(map), rounds: try map.require(8))
        case 10: kind = .syncReply(try Self.digests(map), buckets: try Self.buckets(map), rounds: try map.require(8))
        case let kind: throw .invalid("gossip message \(kind), which is not known here")
        }
    }

    private static func digests(_ map: CBORMap) throws(CodecError) -> [Digest] {
        let fields = try map[5]?.requireArray() ?? []
        guard fields.count <= SwimConstants.digestsMax else { throw .invalid("too many members") }
        var digests: [Digest] = []
        for field in fields { digests.append(try Digest(cbor: field)) }
        return digests
    }

    private static func buckets(_ map: CBORMap) throws(CodecError) -> [UInt64] {
        let buckets: [UInt64] = try map.require(9)
        guard (1...SwimConstants.bucketsMax).contains(buckets.count) else {
            throw .invalid("too many buckets, or none")
        }
        return buckets
    }

    private static func hashes(_ map: CBORMap) throws(CodecError) -> [Bucket] {
        let fields = try map[7]?.requireArray() ?? []
        guard fields.count <= SwimConstants.bucketsMax else { throw .invalid("too many buckets") }
        var buckets: [Bucket] = []
        for field in fields {
            let pair = try field.requireArray()
            guard pair.count == 2 else { throw .invalid("a bucket that is cut off") }
            buckets.append(Bucket(number: try UInt64(cbor: pair[0]), hash: try UInt64(cbor: pair[1])))
        }
        return buckets
    }
}
