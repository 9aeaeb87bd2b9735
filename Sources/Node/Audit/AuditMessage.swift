import Codec

/// What one member asks of another about the log of what happened, one a stream.
enum AuditMessage: Hashable, Sendable {
    /// Lines from a number on, with the proof that the log of `size` entries goes on from there.
    case lines(from: UInt64, size: UInt64, epoch: UInt64)
    /// The leader's checkpoint: it asks for a cosignature.
    case cosign(String)
    /// A checkpoint with the signatures that it has by now.
    case checkpoint(String)
}

extension AuditMessage: CBORCodable {
    init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1:
            let map = try content.requireMap()
            self = .lines(from: try map.require(1), size: try map.require(2), epoch: try map.require(3))
        case 2: self = .cosign(try String(cbor: content))
        case 3: self = .checkpoint(try String(cbor: content))
        default: throw .invalid("message \(number) about the audit log is not known to this version")
        }
    }

    var cbor: CBOR {
        switch self {
        case .lines(let from, let size, let epoch):
            var map = CBORMap()
            map.set(1, from)
            map.set(2, size)
            map.set(3, epoch)
            return numbered(1, .map(map))
        case .cosign(let note): return numbered(2, note.cbor)
        case .checkpoint(let note): return numbered(3, note.cbor)
        }
    }
}

/// What the other member answers.
struct AuditAnswer: Hashable, Sendable, CBORCodable {
    /// Lines, in their order; empty where it has none of those asked for.
    var lines: [Bytes] = []
    /// That the log begins with what was there before and these lines.
    var proof: [Digest] = []
    /// The note with a cosignature more.
    var note: String?
    /// Why there is none.
    var refusal: String?
    /// A note that contradicts the one that was shown.
    var contradiction: String?

    init(
        lines: [Bytes] = [], proof: [Digest] = [], note: String? = nil, refusal: String? = nil,
        contradiction: String? = nil
    ) {
        self.lines = lines
        self.proof = proof
        self.note = note
        self.refusal = refusal
        self.contradiction = contradiction
    }

    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        lines = try map.optional(1) ?? []
        proof = try map.optional(2) ?? []
        note = try map.optional(3)
        refusal = try map.optional(4)
        contradiction = try map.optional(5)
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, lines.isEmpty ? nil : lines)
        map.set(2, proof.isEmpty ? nil : proof)
        map.set(3, note)
        map.set(4, refusal)
        map.set(5, contradiction)
        return .map(map)
    }
}
