import Codec
import Tokens

/// How the parts of a state are written to records, and read from them.
extension SchedulerState {
    func fillHeader(_ map: inout CBORMap) {
        map.set(1, StateRecord.formatVersion)
        map.set(2, time)
        map.set(3, meshName)
        map.set(4, meshKeyID)
        map.set(5, meshKey)
        map.set(6, staleReports)
        map.set(7, nextNode)
        map.set(8, nextJob)
        map.set(9, level)
        map.set(10, recoveries)
        map.set(11, archivedCount)
        map.set(12, recoveryLog)
        if tokenEpoch > 0 { map.set(13, tokenEpoch) }
        if auditSize > 0 { map.set(14, auditFrontier) }
        if keyRotations > 0 { map.set(15, keyRotations) }
        if !meshKeyReplacements.isEmpty { map.set(16, meshKeyReplacements) }
    }

    mutating func readHeader(_ map: CBORMap) throws(CodecError) {
        let version: UInt64 = try map.require(1)
        guard version == StateRecord.formatVersion else { throw .invalid("a state of format \(version)") }
        time = try map.require(2)
        meshName = try map.require(3)
        meshKeyID = try map.require(4)
        meshKey = try map.require(5)
        staleReports = try map.require(6)
        nextNode = try map.require(7)
        nextJob = try map.require(8)
        level = try map.require(9)
        recoveries = try map.require(10)
        archivedCount = try map.require(11)
        recoveryLog = try map.require(12)
        tokenEpoch = try map.optional(13) ?? 0
        keyRotations = try map.optional(15) ?? 0
        meshKeyReplacements = try map.optional(16) ?? []
        audit = AuditTree(try map.optional(14) ?? MerkleFrontier())
    }

    /// Puts a job behind all that have ended.
    mutating func appendEnded(_ id: JobID) { endedOrder.set((endedOrder.lastKey ?? 0) + 1, id) }
}

extension TreeRow {
    func fill(_ map: inout CBORMap, tree: Digest) {
        map.set(1, tree)
        map.set(2, holders)
        map.set(3, jobs)
    }

    init(_ map: CBORMap) throws(CodecError) {
        self.init(holders: try map.require(2), jobs: try map.require(3))
    }
}

extension JobRow {
    /// Without its tasks, which follow in records of their own.
    func fill(_ map: inout CBORMap, id: JobID) {
        map.set(1, id)
        map.set(2, spec.value)
        map.set(3, submittedAt)
        map.set(4, endedAt)
        map.set(5, firstFailure)
        map.set(6, cancelRequestedBy)
        map.set(7, tasks.waiting)
        map.set(10, pausedBy)
        map.set(11, gang?.value)
    }

    init(_ map: CBORMap) throws(CodecError) {
        self.init(spec: try map.require(2), submittedAt: try map.require(3))
        endedAt = try map.optional(4)
        firstFailure = try map.optional(5)
        cancelRequestedBy = try map.optional(6)
        pausedBy = try map.optional(10)
        gang = try map.optional(11, GangRecord.self).map { Shared($0) }
        tasks = TaskTable(count: spec.value.tasks, waiting: try map.require(7))
    }

    /// Runs of equal tasks, behind those that have come.
    mutating func takeTasks(_ map: CBORMap) throws(CodecError) {
        let first: UInt32 = try map.require(1)
        let items = try map.require(2, CBOR.self).requireArray()
        guard items.count % 2 == 0 else { throw .invalid("tasks cut in half") }
        var next = Int(first)
        for at in stride(from: 0, to: items.count, by: 2) {
            let count = try Int(cbor: items[at])
            guard tasks.restore(try TaskRecord(cbor: items[at + 1]), count: count, at: next) else {
                throw .invalid("tasks that do not fit their job")
            }
            next += count
        }
    }
}
