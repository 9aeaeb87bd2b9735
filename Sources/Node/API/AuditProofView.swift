import Codec

/// That an event is in the log of what happened, for somebody who was not there.
public struct AuditProofView: Hashable, Sendable {
    /// The event's number: the index of its leaf.
    public var sequence: UInt64
    /// The leaf.
    public var line: Bytes
    /// From the leaf upwards (RFC 9162 section 2.1.3).
    public var hashes: [Digest]
    /// The checkpoint that it leads to, with its signatures.
    public var checkpoint: String
    /// The public keys of those who have signed it, each behind the name that stands before its signature.
    public var keys: [String]

    public init(sequence: UInt64, line: Bytes, hashes: [Digest], checkpoint: String, keys: [String]) {
        self.sequence = sequence
        self.line = line
        self.hashes = hashes
        self.checkpoint = checkpoint
        self.keys = keys
    }

    /// As a file that others' tools read (C2SP tlog-proof), with the leaf as its extra line.
    public var text: String {
        var text = "c2sp.org/tlog-proof@v1\nextra \(Base64.encode(line.array))\nindex \(sequence)\n"
        for hash in hashes { text += Base64.encode(hash.bytes) + "\n" }
        return text + "\n" + checkpoint
    }
}

extension AuditProofView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        sequence = try map.require(1)
        line = try map.require(2)
        hashes = try map.require(3)
        checkpoint = try map.require(4)
        keys = try map.require(5)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, sequence)
        map.set(2, line)
        map.set(3, hashes)
        map.set(4, checkpoint)
        map.set(5, keys)
        return .map(map)
    }
}
