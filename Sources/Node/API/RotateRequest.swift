import Codec

/// Asks for another key in the place of one that there is.
public enum RotateRequest: Hashable, Sendable {
    /// Of the host that is asked.
    case node
}

extension RotateRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, _) = try numberedContent(cbor)
        switch number {
        case 1: self = .node
        default: throw .invalid("a rotation of kind \(number) is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .node: numbered(1)
        }
    }
}
