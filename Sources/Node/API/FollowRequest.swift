import Codec
import Scheduler

/// Follows a job from submit to end.
public struct FollowRequest: Hashable, Sendable {
    public var job: JobID
    /// The task whose output is wanted.
    public var task: UInt32
    public var cursor: OutputCursor
    /// The newest attempt whose placement has been told already.
    public var seenAttempt: UInt32
    /// Of an attempt that runs, what it has written already is left out.
    public var fromNow: Bool
    /// Of a gang: where the output of its ranks goes on, from rank 0 on; those that are not named begin.
    public var rankCursors: [OutputCursor]
    /// Of a gang: what all ranks write, not the named task alone.
    public var allRanks: Bool

    public init(
        job: JobID, task: UInt32 = 0, cursor: OutputCursor = OutputCursor(), seenAttempt: UInt32 = 0,
        fromNow: Bool = false, rankCursors: [OutputCursor] = [], allRanks: Bool = false
    ) {
        self.allRanks = allRanks
        self.rankCursors = rankCursors
        self.job = job
        self.task = task
        self.cursor = cursor
        self.seenAttempt = seenAttempt
        self.fromNow = fromNow
    }
}

extension FollowRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        job = try map.require(1)
        task = try map.require(2)
        cursor = try map.require(3)
        seenAttempt = try map.require(4)
        fromNow = try map.optional(5) ?? false
        rankCursors = try map.optional(6) ?? []
        allRanks = try map.optional(7) ?? false
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, job)
        map.set(2, task)
        map.set(3, cursor)
        map.set(4, seenAttempt)
        map.set(5, fromNow ? true : nil)
        map.set(6, rankCursors.isEmpty ? nil : rankCursors)
        map.set(7, allRanks ? true : nil)
        return .map(map)
    }
}
