/// A frame of the handshake, before anything is sealed: `type(1) length(2) bytes`, little-endian.
struct HandshakeFrame: Hashable, Sendable {
    enum Kind: UInt8, CaseIterable, Sendable {
        /// A Noise message.
        case noise = 1
        /// The reason of a refusal.
        case refusal = 2
        /// The keys do not fit.
        case misfit = 3
    }

    static let headerBytes = 3

    var kind: Kind
    var bytes: [UInt8]

    init(_ kind: Kind, _ bytes: [UInt8] = []) {
        self.kind = kind
        self.bytes = bytes
    }

    /// What a header of `headerBytes` says: what follows, and how much of it.
    static func header(_ bytes: [UInt8]) throws(MeshError) -> (Kind, length: Int) {
        precondition(bytes.count == headerBytes, "a whole header")
        let length = Int(bytes[1]) | Int(bytes[2]) << 8
        guard length <= SessionConstants.handshakeFrameBytesMax else { throw .frameTooLong(length) }
        guard let kind = Kind(rawValue: bytes[0]) else { throw .protocolViolation("handshake frame type \(bytes[0])") }
        return (kind, length)
    }

    var encoded: [UInt8] {
        var encoded = [kind.rawValue]
        encoded.appendLittleEndian(UInt16(bytes.count))
        return encoded + bytes
    }
}
