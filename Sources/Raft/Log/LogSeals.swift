import Codec

/// Hashes over what the rows of entries do not cover: without them a flipped bit in a term, or rows that vanished from
/// the end, would look like something that was written.
enum LogSeals {
    /// Over a node's own state, and how far its log reached with it.
    static func ofState(_ state: RaftHardState, sequence: UInt64, lastIndex: UInt64) -> Digest {
        let damage = state.damage
        return hash(
            sequence, lastIndex, state.term, state.vote?.rawValue ?? 0, state.commitIndex, damage == nil ? 0 : 1,
            damage?.index ?? 0, damage?.term ?? 0, damage?.vote?.rawValue ?? 0)
    }

    /// Over where the log begins and ends.
    static func ofLog(
        sequence: UInt64, base: (index: UInt64, term: UInt64), lastIndex: UInt64, head: Digest
    ) -> Digest {
        hash(sequence, base.index, base.term, lastIndex, and: head.bytes)
    }

    private static func hash(_ words: UInt64..., and bytes: [UInt8] = []) -> Digest {
        var hash = BLAKE3()
        for word in words { hash.update((0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }) }
        hash.update(bytes)
        return hash.finalize()
    }
}
