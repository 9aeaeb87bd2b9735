import Codec
import Scheduler

/// Reads the output of a task.
public struct LogsRequest: Hashable, Sendable {
    public var job: JobID
    public var task: UInt32
    /// nil: the newest that has any.
    public var attempt: UInt32?
    public var follow: Bool
    /// nil: all.
    public var tailLines: UInt64?
    /// Where to go on; nil: the beginning.
    public var cursor: OutputCursor?
    /// Of one member to another: what it keeps of the log of a third.
    public var isOfCopy: Bool
    /// Of a gang: what all ranks wrote, each piece with its rank.
    public var allRanks: Bool
    /// Unix nanoseconds; nil: from the beginning. With `tailLines` of these lines only what came then.
    public var since: Int64?

    public init(
        job: JobID, task: UInt32 = 0, attempt: UInt32? = nil, follow: Bool = false, tailLines: UInt64? = nil,
        cursor: OutputCursor? = nil, isOfCopy: Bool = false, allRanks: Bool = false, since: Int64? = nil
    ) {
        self.allRanks = allRanks
        self.since = since
        self.job = job
        self.task = task
        self.attempt = attempt
        self.follow = follow
        self.tailLines = tailLines
        self.cursor = cursor
        self.isOfCopy = isOfCopy
    }
}

extension LogsRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        task = try map.require(2)
        attempt = try map.optional(3)
        follow = try map.require(4)
        tailLines = try map.optional(5)
        cursor = try map.optional(6)
        isOfCopy = try map.optional(7) ?? false
        allRanks = try map.optional(8) ?? false
        since = try map.optional(9)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, task)
        map.set(3, attempt)
        map.set(4, follow)
        map.set(5, tailLines)
        map.set(6, cursor)
        if isOfCopy { map.set(7, isOfCopy) }
        if allRanks { map.set(8, allRanks) }
        map.set(9, since)
        return .map(map)
    }
}
