import Codec

/// What one member passes on about another, or says about itself.
public struct SwimRumour: Hashable, Sendable {
    public var subject: NodeID
    public var version: SwimVersion
    public var state: MemberState
    /// Who did not hear the subject; for a suspicion only.
    public var accusers: [NodeID]
    /// What the subject says of itself in this version, opaque; only where it is alive.
    public var facts: [UInt8]?

    public init(
        subject: NodeID, version: SwimVersion, state: MemberState, accusers: [NodeID] = [], facts: [UInt8]? = nil
    ) {
        self.subject = subject
        self.version = version
        self.state = state
        self.accusers = accusers
        self.facts = facts
    }

    /// An upper bound of its encoded bytes.
    var byteCountMax: Int { Self.byteCountMin + 9 * accusers.count + (facts?.count ?? 0) }
    /// That bound for the shortest rumour.
    static let byteCountMin = 48
}

extension SwimRumour: CBORCodable {
    public var cbor: CBOR {
        .array([
            subject.cbor, version.cbor, state.rawValue.cbor, accusers.cbor, facts.map(CBOR.bytes) ?? .null,
        ])
    }

    public init(cbor: CBOR) throws(CodecError) {
        let fields = try cbor.requireArray()
        guard fields.count == 5 else { throw .invalid("a rumour that is cut off") }
        subject = try NodeID(cbor: fields[0])
        version = try SwimVersion(cbor: fields[1])
        guard let state = MemberState(rawValue: try UInt8(cbor: fields[2])) else {
            throw .invalid("a member's state that is not known here")
        }
        self.state = state
        accusers = try [NodeID](cbor: fields[3])
        guard accusers.count <= SwimConstants.accusersMax else { throw .invalid("too many accusers") }
        facts = if case .null = fields[4] { nil } else { try fields[4].requireBytes() }
        guard facts?.count ?? 0 <= SwimConstants.factBytesMax else { throw .invalid("facts that are too long") }
    }
}
