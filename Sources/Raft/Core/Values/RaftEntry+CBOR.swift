import Codec

/// Entries on the wire: `[term, kind, content]` without their index, which follows from their place.
extension RaftEntry {
    /// Numbers of the payload kinds, on the wire and on disk.
    enum Kind: UInt64 {
        case empty = 0
        case command = 1
        case membership = 2
    }

    var wireForm: CBOR {
        switch payload {
        case .empty: .array([.unsigned(term), .unsigned(Kind.empty.rawValue)])
        case .command(let bytes): .array([.unsigned(term), .unsigned(Kind.command.rawValue), .bytes(bytes)])
        case .membership(let membership):
            .array([.unsigned(term), .unsigned(Kind.membership.rawValue), membership.cbor])
        }
    }

    init(index: UInt64, wireForm: CBOR) throws(CodecError) {
        let parts = try wireForm.requireArray()
        guard parts.count >= 2 else { throw .invalid("a log entry without term or kind") }
        self.index = index
        self.term = try UInt64(cbor: parts[0])
        let number = try UInt64(cbor: parts[1])
        switch (Kind(rawValue: number), parts.count) {
        case (.empty, 2): self.payload = .empty
        case (.command, 3): self.payload = .command(try parts[2].requireBytes())
        case (.membership, 3): self.payload = .membership(try RaftMembership(cbor: parts[2]))
        default: throw .invalid("a log entry of unknown kind \(number)")
        }
    }
}
