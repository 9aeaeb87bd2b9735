import Codec

/// What a leader is asked to put into the log.
extension RaftCore {
    mutating func propose(_ request: UInt64, _ entry: [UInt8]) {
        if let error = refusal(ofBytes: entry.count) { return effects.append(.rejected(id: request, error)) }
        appendOwn(.command(entry))
        effects.append(.proposed(id: request, index: log.lastIndex, term: term))
    }

    func refusal(ofBytes bytes: Int) -> RaftError? {
        guard role == .leader else { return .notLeader(leader: leader) }
        if let transfer { return .transferring(to: transfer.target) }
        guard bytes <= configuration.maximumEntryBytes else {
            return .entryTooLarge(bytes: bytes, limit: configuration.maximumEntryBytes)
        }
        // One entry is always allowed, or a mesh with a small bound could never do anything.
        guard uncommittedWeight == 0 || uncommittedWeight + bytes <= configuration.maximumUncommittedBytes else {
            return .tooMuchUncommitted(bytes: uncommittedWeight, limit: configuration.maximumUncommittedBytes)
        }
        return nil
    }
}
