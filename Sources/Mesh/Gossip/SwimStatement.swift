import Codec

/// What a member puts its signature under: that another, or it itself, is in a state, or what it says about itself.
public struct SwimStatement: Hashable, Sendable {
    public enum Content: Hashable, Sendable {
        case state(MemberState)
        case facts([UInt8])
    }

    public let author: NodeID
    public let subject: NodeID
    public let version: SwimVersion
    public let content: Content

    public init(author: NodeID, subject: NodeID, version: SwimVersion, content: Content) {
        self.author = author
        self.subject = subject
        self.version = version
        self.content = content
    }

    /// The bytes that are signed: deterministic CBOR (RFC 8949, 4.2.1) of a list that begins with the kind of statement,
    /// so that no signature fits two statements.
    public var bytes: [UInt8] {
        let (kind, content): (UInt64, CBOR) =
            switch content {
            case .state(let state): (0, state.rawValue.cbor)
            case .facts(let facts): (1, .bytes(facts))
            }
        return CBOR.array([.unsigned(kind), author.cbor, subject.cbor, version.cbor, content]).encoded()
    }
}
