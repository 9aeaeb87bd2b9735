import Codec

/// What a member says about itself: roles, labels, devices, load, version; opaque here, and signed by it.
public final class SwimFacts: Sendable {
    public let subject: NodeID
    /// In which it said so; later facts have a greater one.
    public let version: SwimVersion
    /// At most `SwimConstants.factBytesMax`.
    public let bytes: [UInt8]
    /// Empty where not every member of the mesh can check signatures yet.
    public let signature: [UInt8]

    public init(subject: NodeID, version: SwimVersion, bytes: [UInt8], signature: [UInt8]) {
        self.subject = subject
        self.version = version
        self.bytes = bytes
        self.signature = signature
    }

    var statement: SwimStatement {
        SwimStatement(author: subject, subject: subject, version: version, content: .facts(bytes))
    }
    var isSigned: Bool { !signature.isEmpty }
}

extension SwimFacts: Hashable {
    public static func == (left: SwimFacts, right: SwimFacts) -> Bool {
        left === right || left.statement == right.statement && left.signature == right.signature
    }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(statement)
        hasher.combine(signature)
    }
}
