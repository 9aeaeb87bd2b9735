import Codec

/// The hash that ties each row of the log to the one before it: BLAKE3 of the previous row's hash, then index, term and
/// kind (8 bytes each, little-endian), then the content.
///
/// One hash stands for both a checksum of the row and the hash of its predecessor: a changed, missing, doubled or moved
/// row breaks the chain where it stands.
struct EntryChain {
    private(set) var head: Digest

    init(head: Digest) { self.head = head }

    /// The start of the log after an entry that is no longer there.
    init(afterIndex index: UInt64, term: UInt64) {
        var hash = BLAKE3()
        Self.hash(index, term, 0, after: nil, into: &hash)
        head = hash.finalize()
    }

    mutating func extend(index: UInt64, term: UInt64, kind: UInt64, content: [UInt8]) -> Digest {
        content.withUnsafeBytes { extend(index: index, term: term, kind: kind, content: $0) }
    }

    /// Allocates nothing: a start checks a whole log row by row.
    mutating func extend(index: UInt64, term: UInt64, kind: UInt64, content: UnsafeRawBufferPointer) -> Digest {
        var hash = BLAKE3()
        Self.hash(index, term, kind, after: head, into: &hash)
        hash.update(content)
        head = hash.finalize()
        return head
    }

    private static func hash(
        _ index: UInt64, _ term: UInt64, _ kind: UInt64, after head: Digest?, into hash: inout BLAKE3
    ) {
        let start = head == nil ? 0 : Digest.byteCount
        withUnsafeTemporaryAllocation(byteCount: start + 24, alignment: 8) { bytes in
            head?.copyBytes(to: bytes)
            bytes.storeBytes(of: index.littleEndian, toByteOffset: start, as: UInt64.self)
            bytes.storeBytes(of: term.littleEndian, toByteOffset: start + 8, as: UInt64.self)
            bytes.storeBytes(of: kind.littleEndian, toByteOffset: start + 16, as: UInt64.self)
            hash.update(UnsafeRawBufferPointer(bytes))
        }
    }
}

extension RaftEntry {
    /// Kind and bytes as they stand in a row.
    var row: (kind: UInt64, content: [UInt8]) {
        switch payload {
        case .empty: (Kind.empty.rawValue, [])
        case .command(let bytes): (Kind.command.rawValue, bytes)
        case .membership(let membership): (Kind.membership.rawValue, membership.encoded())
        }
    }

    init(index: UInt64, term: UInt64, kind: UInt64, content: [UInt8]) throws(CodecError) {
        self.index = index
        self.term = term
        switch Kind(rawValue: kind) {
        case .empty: payload = .empty
        case .command: payload = .command(content)
        case .membership: payload = .membership(try RaftMembership(encoded: content))
        case nil: throw .invalid("a log entry of unknown kind \(kind)")
        }
    }
}
