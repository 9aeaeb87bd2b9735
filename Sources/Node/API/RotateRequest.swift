import Codec

/// Asks for another key in the place of one that there is.
public enum RotateRequest: Hashable, Sendable {
    /// Of the host that is asked.
    case node
    /// A key outside the members, by its name or id, that issues tokens; the new public key has 32 bytes.
    case issuer(String, key: Bytes)
    /// Of the mesh, on a host that has it.
    case mesh
}

extension RotateRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1: self = .node
        case 2:
            let map = try content.requireMap()
            self = .issuer(try map.require(1), key: try map.require(2))
        case 3: self = .mesh
        default: throw .invalid("a rotation of kind \(number) is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .node: return numbered(1)
        case .issuer(let old, let key):
            var map = CBORMap()
            map.set(1, old)
            map.set(2, key)
            return numbered(2, .map(map))
        case .mesh: return numbered(3)
        }
    }
}
