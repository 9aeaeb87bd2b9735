import Codec

/// The first message on a stream that is to be carried on: to the relay, with whom the stream is to be; from the relay,
/// who is at the other end.
struct RelayRequest: Hashable, Sendable {
    static let byteCount = 9

    var member: NodeID
    /// What the session inside is for: says in which class its bytes travel.
    var purpose: SessionPurpose

    init(_ member: NodeID, _ purpose: SessionPurpose) {
        self.member = member
        self.purpose = purpose
    }

    /// nil for bytes that are none.
    init?(decoding bytes: [UInt8]) {
        guard bytes.count == Self.byteCount, let purpose = SessionPurpose(rawValue: bytes[8]) else { return nil }
        member = NodeID(bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
        self.purpose = purpose
    }

    var encoded: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: member.rawValue >> (8 * $0)) } + [purpose.rawValue] }
}

/// What the relay says before it carries anything.
enum RelayAnswer: Hashable, Sendable {
    case carried
    case refused(String)

    private static let reasonBytesMax = 256

    /// nil for bytes that are none.
    init?(decoding bytes: [UInt8]) {
        switch bytes.first {
        case 0 where bytes.count == 1: self = .carried
        case 1 where bytes.count <= 1 + Self.reasonBytesMax:
            self = .refused(String(decoding: bytes.dropFirst(), as: UTF8.self))
        default: return nil
        }
    }

    var encoded: [UInt8] {
        switch self {
        case .carried: [0]
        case .refused(let reason): [1] + Array(reason.utf8.prefix(Self.reasonBytesMax))
        }
    }
}
