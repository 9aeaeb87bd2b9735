import Codec

/// What a member says of another, or of itself, under its own signature. Shared by all that keep or pass it on.
public final class SwimWord: Sendable {
    /// Only the subject says of itself that it is alive or has left; only others accuse it.
    public let author: NodeID
    public let subject: NodeID
    public let version: SwimVersion
    public let state: MemberState
    /// Empty where not every member of the mesh can check signatures yet.
    public let signature: [UInt8]

    public init(author: NodeID, subject: NodeID, version: SwimVersion, state: MemberState, signature: [UInt8]) {
        self.author = author
        self.subject = subject
        self.version = version
        self.state = state
        self.signature = signature
    }

    var statement: SwimStatement {
        SwimStatement(author: author, subject: subject, version: version, content: .state(state))
    }
    var isSigned: Bool { !signature.isEmpty }
    var isAccusation: Bool { state == .suspect || state == .dead }
}

extension SwimWord: Hashable {
    public static func == (left: SwimWord, right: SwimWord) -> Bool {
        left === right || left.statement == right.statement && left.signature == right.signature
    }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(statement)
        hasher.combine(signature)
    }
}
