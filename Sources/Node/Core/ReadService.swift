import Codec

/// The leader's side of reads: who asked under which request to Raft.
struct ReadService: Sendable {
    struct Reader: Hashable, Sendable {
        var node: NodeID
        var sequence: UInt64
    }

    private var readers: [UInt64: Reader] = [:]

    /// A newer question of the same node and number takes the place of the older, so a node that asks again and again
    /// fills nothing.
    private var newest: [Reader: UInt64] = [:]

    mutating func asked(_ request: UInt64, by reader: Reader) {
        if let older = newest.updateValue(request, forKey: reader) { readers[older] = nil }
        readers[request] = reader
    }

    /// Raft has answered or refused this request; the answer is whose it was.
    mutating func answered(_ request: UInt64) -> Reader? {
        guard let reader = readers.removeValue(forKey: request) else { return nil }
        newest[reader] = nil
        return reader
    }
}
