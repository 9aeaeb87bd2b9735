import Codec

// {0: version, 1: [entry...]}; an entry is [path, kind, ...]: 0 file and 1 executable file with [..., size, digests as
// one byte string], 2 directory, 3 symbolic link with [..., target]. Arrays and one byte string keep 100,000 files small.
extension Manifest: CBORCodable {
    private static let version: UInt64 = 1
    private static let limits = CBORLimits(
        byteCount: TransferConstants.manifestBytesMax, depth: 4, valueCount: 8 * TransferConstants.entryCountMax)

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(0, Self.version)
        map[1] = .array(entries.map(Self.encode))
        return .map(map)
    }

    public init(cbor: CBOR) throws(CodecError) {
        do {
            try self.init(checking: cbor)
        } catch .malformed(let error) {
            throw error
        } catch {
            throw .invalid(error.message)
        }
    }

    /// Reads a manifest from a peer: every flaw is found here, before anything is written. Throws `TransferError`.
    public static func decode(_ bytes: [UInt8]) throws(TransferError) -> Manifest {
        let cbor: CBOR
        do {
            cbor = try CBOR.decode(bytes, limits: limits)
        } catch {
            throw .malformed(error)
        }
        return try Manifest(checking: cbor)
    }

    private init(checking cbor: CBOR) throws(TransferError) {
        let entries: [Entry]
        do throws(CodecError) {
            let map = try cbor.requireMap()
            guard try map.require(0, UInt64.self) == Self.version else {
                throw .invalid("a list of files of another version")
            }
            let list: CBOR = try map.require(1)
            entries = try list.requireArray().map { entry throws(CodecError) in try Self.decode(entry) }
        } catch {
            throw .malformed(error)
        }
        try self.init(sorted: entries)
    }

    private static func encode(_ entry: Entry) -> CBOR {
        switch entry.content {
        case .file(let file):
            return .array([
                .text(entry.path), .unsigned(file.isExecutable ? 1 : 0), .unsigned(file.byteCount),
                .bytes(DigestList.pack(file.chunks)),
            ])
        case .directory: return .array([.text(entry.path), .unsigned(2)])
        case .symlink(let target): return .array([.text(entry.path), .unsigned(3), .text(target)])
        }
    }

    private static func decode(_ cbor: CBOR) throws(CodecError) -> Entry {
        let fields = try cbor.requireArray()
        guard fields.count >= 2 else { throw .invalid("an entry without a path or kind") }
        let path = try fields[0].requireText()
        let kind = try UInt64(cbor: fields[1])
        switch (kind, fields.count) {
        case (0, 4), (1, 4):
            let file = File(
                byteCount: try UInt64(cbor: fields[2]), isExecutable: kind == 1,
                chunks: try DigestList.unpack(fields[3].requireBytes()))
            return Entry(path: path, content: .file(file))
        case (2, 2): return Entry(path: path, content: .directory)
        case (3, 3): return Entry(path: path, content: .symlink(target: try fields[2].requireText()))
        default: throw .invalid("an entry of an unknown kind")
        }
    }
}

/// Many digests as one byte string.
enum DigestList {
    static func pack(_ digests: [Digest]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digests.count * Digest.byteCount)
        for digest in digests { bytes += digest.bytes }
        return bytes
    }

    static func unpack(_ bytes: [UInt8]) throws(CodecError) -> [Digest] {
        guard bytes.count % Digest.byteCount == 0 else { throw .invalid("a list of digests that is cut off") }
        var digests: [Digest] = []
        digests.reserveCapacity(bytes.count / Digest.byteCount)
        for start in stride(from: 0, to: bytes.count, by: Digest.byteCount) {
            guard let digest = Digest(bytes: bytes[start..<start + Digest.byteCount]) else {
                throw .invalid("a list of digests that is cut off")
            }
            digests.append(digest)
        }
        return digests
    }
}
