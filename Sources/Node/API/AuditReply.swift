import Codec

/// What a daemon answers about the log of what happened.
public enum AuditReply: Hashable, Sendable {
    /// Lines of JSON as they are in the tree.
    case lines([Bytes])
    case verdict(AuditVerdict)
    case proof(AuditProofView)
}

extension AuditReply: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .lines(try [Bytes](cbor: content))
        case 2: self = .verdict(try AuditVerdict(cbor: content))
        case 3: self = .proof(try AuditProofView(cbor: content))
        default: throw .invalid("reply \(number) about the audit log is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .lines(let lines): numbered(1, lines.cbor)
        case .verdict(let verdict): numbered(2, verdict.cbor)
        case .proof(let proof): numbered(3, proof.cbor)
        }
    }
}
