import Codec

/// The records of a state on its way: what `StateChunks` writes and `StateRestorer` reads, in the order of the kinds.
///
/// A record is its length in four bytes, most significant first, and a CBOR map with integer keys whose key 0 is the
/// kind. No record holds more than one row, or a quarter of a page of tasks, so neither side ever needs much room.
enum StateRecord {
    static let formatVersion: UInt64 = 2
    static let lengthBytes = 4
    /// Far above what the limits of the state allow in practice; a longer one is not ours.
    static let bytesMax = 256 << 20
    /// Runs of equal tasks in one record.
    static let runsMax = 64
    /// Numbers in one record of an order (departed nodes, ended jobs).
    static let numbersMax = 1_024

    enum Kind: UInt64 {
        case header
        case knock
        case departed
        case ended
        case request
        case invitation
        case setting
        case node
        /// A node whose attempts are being given up.
        case sweep
        case tree
        case job
        /// Tasks of the job before it, in ascending order.
        case tasks
        /// The last one: how many came before it.
        case end
        // Between settings and nodes, with numbers of their own because they came later.
        case issuer
        case token
        case tokenRevocation

        /// Where it stands among the others.
        var place: UInt64 {
            switch self {
            case .issuer, .token, .tokenRevocation: Kind.setting.rawValue * 4 + rawValue - Kind.end.rawValue
            default: rawValue * 4
            }
        }
    }

    /// Appends a record.
    static func append(_ kind: Kind, to bytes: inout [UInt8], _ fill: (inout CBORMap) -> Void) {
        var map = CBORMap()
        map.set(0, kind.rawValue)
        fill(&map)
        let start = bytes.count
        bytes.append(contentsOf: [0, 0, 0, 0])
        CBOR.map(map).encode(into: &bytes)
        let length = bytes.count - start - lengthBytes
        precondition(length <= bytesMax, "a row of the state is larger than its limits allow")
        for position in 0..<lengthBytes {
            bytes[start + position] = UInt8(truncatingIfNeeded: length >> (8 * (lengthBytes - 1 - position)))
        }
    }
}
