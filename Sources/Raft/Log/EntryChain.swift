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
        hash.update(Self.words(index, term, 0))
        head = hash.finalize()
    }

    mutating func extend(index: UInt64, term: UInt64, kind: UInt64, content: [UInt8]) -> Digest {
        var hash = BLAKE3()
        hash.update(head.bytes + Self.words(index, term, kind))
        hash.update(content)
        head = hash.finalize()
        return head
    }

    private static func words(_ words: UInt64...) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: words.count * 8) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            for position in words.indices {
                bytes.storeBytes(of: words[position].littleEndian, toByteOffset: position * 8, as: UInt64.self)
            }
            count = bytes.count
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
