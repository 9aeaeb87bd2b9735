import Codec

/// What a look through a node's copy of the log of what happened has shown.
public struct AuditVerdict: Hashable, Sendable {
    /// Events in the log.
    public var size: UInt64
    /// Nanoseconds since the Unix epoch of the first one; nil where there is none.
    public var since: Int64?
    /// Events that the newest checkpoint stands for; 0 where there is none yet.
    public var signedSize: UInt64
    /// Names of the members that have signed it, the leader of then first.
    public var signers: [String]
    /// Names of the voters that have not.
    public var missing: [String]
    /// The newest checkpoint with its signatures.
    public var checkpoint: String?
    /// What is wrong; nil where nothing is. In text that follows "audit log: ".
    public var flaw: String?
    /// Its stable code.
    public var code: String?
    /// The number of the first event that is bad, where the flaw is one of the copy.
    public var firstBad: UInt64?
    /// What to do about it.
    public var hint: String?
    /// Pairs of signed notes that cannot both be true, one after the other.
    public var evidence: [String]
    /// Lines of this node's own log that are kept and fit to what the mesh was told of it; nil where they do not, or there
    /// is none.
    public var ownLines: UInt64?

    public init(size: UInt64) {
        self.size = size
        signedSize = 0
        signers = []
        missing = []
        evidence = []
    }

    /// Adds a flaw. The first one stays.
    public mutating func fail(_ code: String, _ flaw: String, at sequence: UInt64? = nil, hint: String) {
        guard self.flaw == nil else { return }
        (self.code, self.flaw, self.hint, firstBad) = (code, flaw, hint, sequence)
    }
}

extension AuditVerdict: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        size = try map.require(1)
        since = try map.optional(2)
        signedSize = try map.require(3)
        signers = try map.require(4)
        missing = try map.require(5)
        checkpoint = try map.optional(6)
        flaw = try map.optional(7)
        code = try map.optional(8)
        firstBad = try map.optional(9)
        hint = try map.optional(10)
        evidence = try map.require(11)
        ownLines = try map.optional(12)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, size)
        map.set(2, since)
        map.set(3, signedSize)
        map.set(4, signers)
        map.set(5, missing)
        map.set(6, checkpoint)
        map.set(7, flaw)
        map.set(8, code)
        map.set(9, firstBad)
        map.set(10, hint)
        map.set(11, evidence)
        map.set(12, ownLines)
        return .map(map)
    }
}
