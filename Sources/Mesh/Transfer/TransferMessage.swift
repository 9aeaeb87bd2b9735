import Codec

/// One message of a transfer, the same between a client and its daemon and between two nodes.
///
/// Sending: `offer`, answered by `need`; then one or more `chunk` for each digest, and `done` from each side. Fetching:
/// `wantManifest`, answered by `manifest`; `want`, answered by chunks and `done`. Either side ends with `failed`.
public enum TransferMessage: Hashable, Sendable {
    /// An encoded manifest whose tree the sender can give.
    case offer(manifest: [UInt8])
    /// The chunks that the receiver lacks.
    case need([Digest])
    /// A part of a chunk, in order; `isLast` ends it. At most `TransferConstants.messageChunkBytesMax` bytes.
    case chunk(Digest, offset: UInt64, bytes: [UInt8], isLast: Bool)
    /// Asks for chunks.
    case want([Digest])
    /// Asks for the manifest with this root.
    case wantManifest(Digest)
    case manifest([UInt8])
    /// Everything that was asked for is sent, or everything that was sent is safe.
    case done
    case failed(code: String, message: String)

    /// The messages that carry `content`, whose digest is `digest`.
    public static func chunks(of digest: Digest, content: [UInt8]) -> [TransferMessage] {
        var messages: [TransferMessage] = []
        var offset = 0
        repeat {
            let end = min(offset + TransferConstants.messageChunkBytesMax, content.count)
            messages.append(
                .chunk(
                    digest, offset: UInt64(offset), bytes: Array(content[offset..<end]), isLast: end == content.count))
            offset = end
        } while offset < content.count
        return messages
    }

    /// Reads a message from a peer. Throws `TransferError.malformed`.
    public static func decode(_ bytes: [UInt8]) throws(TransferError) -> TransferMessage {
        do {
            return try TransferMessage(
                encoded: bytes,
                limits: CBORLimits(byteCount: TransferConstants.messageBytesMax, depth: 3, valueCount: 32))
        } catch {
            throw .malformed(error)
        }
    }
}

// {0: kind, 1...: its fields in order}.
extension TransferMessage: CBORCodable {
    public var cbor: CBOR {
        var map = CBORMap()
        switch self {
        case .offer(let manifest):
            map.set(0, 1)
            map.setBytes(1, manifest)
        case .need(let digests):
            map.set(0, 2)
            map.setBytes(1, DigestList.pack(digests))
        case .chunk(let digest, let offset, let bytes, let isLast):
            map.set(0, 3)
            map.set(1, digest)
            map.set(2, offset)
            map.setBytes(3, bytes)
            map.set(4, isLast)
        case .want(let digests):
            map.set(0, 4)
            map.setBytes(1, DigestList.pack(digests))
        case .wantManifest(let root):
            map.set(0, 5)
            map.set(1, root)
        case .manifest(let bytes):
            map.set(0, 6)
            map.setBytes(1, bytes)
        case .done: map.set(0, 7)
        case .failed(let code, let message):
            map.set(0, 8)
            map.set(1, code)
            map.set(2, message)
        }
        return .map(map)
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        switch try map.require(0, Int.self) {
        case 1: self = .offer(manifest: try Self.manifestBytes(map))
        case 2: self = .need(try Self.digests(map))
        case 3:
            let bytes = try map.requireBytes(3)
            guard bytes.count <= TransferConstants.messageChunkBytesMax else { throw .invalid("a chunk over 1 MiB") }
            self = .chunk(
                try map.require(1), offset: try map.require(2), bytes: bytes, isLast: try map.require(4))
        case 4: self = .want(try Self.digests(map))
        case 5: self = .wantManifest(try map.require(1))
        case 6: self = .manifest(try Self.manifestBytes(map))
        case 7: self = .done
        case 8: self = .failed(code: try map.require(1), message: try map.require(2))
        case let kind: throw .invalid("transfer message \(kind), which is not known here")
        }
    }

    private static func digests(_ map: CBORMap) throws(CodecError) -> [Digest] {
        let digests = try DigestList.unpack(map.requireBytes(1))
        guard digests.count <= TransferConstants.digestCountMax else { throw .invalid("too many digests") }
        return digests
    }

    private static func manifestBytes(_ map: CBORMap) throws(CodecError) -> [UInt8] {
        let bytes = try map.requireBytes(1)
        guard bytes.count <= TransferConstants.manifestBytesMax else {
            throw .invalid("a list of files that is too long")
        }
        return bytes
    }
}
