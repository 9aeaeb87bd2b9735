import Codec

/// The whole state as bytes. Only facts are written; queues, counts and what nodes hold follow from them.
///
/// The same state always gives the same bytes, and a state read from bytes writes the same ones again.
extension SchedulerState: CBORCodable {
    private static let formatVersion: UInt64 = 1

    /// Of the encoded state: two members that applied the same entries have the same.
    public var digest: Digest { BLAKE3.hash(encoded()) }

    /// A snapshot has no limit but the memory of its reader; it comes from a voter, never from outside.
    public init(encoded bytes: [UInt8]) throws(CodecError) {
        try self.init(cbor: try CBOR.decode(bytes, limits: .snapshot))
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let version: UInt64 = try map.require(0)
        guard version == Self.formatVersion else { throw .invalid("a state of format \(version)") }
        time = try map.require(1)
        meshName = try map.require(2)
        meshKeyID = try map.require(3)
        meshKey = try map.require(4)
        staleReports = try map.require(5)
        knocks = try map.require(6)
        nextNode = try map.require(7)
        nextJob = try map.require(8)
        departedOrder = try map.require(9)
        endedOrder = try map.require(10)
        requests = try map.require(11)
        for invitation in try map.require(12, [InvitationRecord].self) {
            invitationRows.set(invitation.jti, invitation)
        }
        for node in try map.require(13, [NodeRecord].self) { restore(node) }
        for tree in try map.require(14, CBOR.self).requireArray() { try restoreTree(tree) }
        for job in try map.require(15, CBOR.self).requireArray() { try restoreJob(job) }
        guard nextJob > (jobRows.lastKey ?? 0), nextNode > (nodeRows.lastKey?.rawValue ?? 0) else {
            throw .invalid("a state that would give a number twice")
        }
        guard endedOrder.sorted() == jobRows.filter({ $0.row.endedAt != nil }).map(\.key) else {
            throw .invalid("a state whose ended jobs are not in its order of ends")
        }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(0, Self.formatVersion)
        map.set(1, time)
        map.set(2, meshName)
        map.set(3, meshKeyID)
        map.set(4, meshKey)
        map.set(5, staleReports)
        map.set(6, knocks)
        map.set(7, nextNode)
        map.set(8, nextJob)
        map.set(9, departedOrder)
        map.set(10, endedOrder)
        map.set(11, requests)
        map.set(12, invitations)
        map.set(13, nodes)
        map.set(14, CBOR.array(treeRows.map { Self.encode($0.key, $0.row) }))
        map.set(15, CBOR.array(jobRows.map { Self.encode($0.key, $0.row) }))
        return .map(map)
    }

    private mutating func restore(_ node: NodeRecord) {
        nodeRows.set(node.id, NodeRow(record: node))
        guard node.presence != .left else { return }
        memberNames.set(node.name, node.id)
        memberKeys.set(node.identityKey, node.id)
    }

    private static func encode(_ tree: Digest, _ row: TreeRow) -> CBOR {
        var map = CBORMap()
        map.set(1, tree)
        map.set(2, row.holders)
        map.set(3, row.jobs)
        return .map(map)
    }

    private mutating func restoreTree(_ cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        treeRows.set(try map.require(1), TreeRow(holders: try map.require(2), jobs: try map.require(3)))
    }

    private static func encode(_ id: JobID, _ row: JobRow) -> CBOR {
        var map = CBORMap()
        map.set(1, id)
        map.set(2, row.spec.value)
        map.set(3, row.submittedAt)
        map.set(4, row.endedAt)
        map.set(5, row.firstFailure)
        map.set(6, row.cancelRequestedBy)
        map.set(7, row.tasks.untouched)
        map.set(8, CBOR.array(row.tasks.pages.map(encode)))
        return .map(map)
    }

    /// Runs of equal tasks as their length and one of them: most of a page has ended alike or waits.
    private static func encode(_ page: [TaskRecord]) -> CBOR {
        var items: [CBOR] = []
        var start = 0
        for index in page.indices where index + 1 == page.count || page[index + 1] != page[index] {
            items.append(.integer(index + 1 - start))
            items.append(page[index].cbor)
            start = index + 1
        }
        return .array(items)
    }

    private mutating func restoreJob(_ cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        let id: JobID = try map.require(1)
        var row = JobRow(spec: try map.require(2), submittedAt: try map.require(3))
        row.endedAt = try map.optional(4)
        row.firstFailure = try map.optional(5, Int64.self).map { Int32(truncatingIfNeeded: $0) }
        row.cancelRequestedBy = try map.optional(6)
        var pages: [[TaskRecord]] = []
        for page in try map.require(8, CBOR.self).requireArray() { pages.append(try Self.decodePage(page)) }
        guard let tasks = TaskTable(count: row.spec.value.tasks, untouched: try map.require(7), pages: pages) else {
            throw .invalid("tasks that do not fit their job")
        }
        row.tasks = tasks
        row.countTasks()
        jobRows.set(id, row)
        if !row.pending.isEmpty { waiting.set(id, Nothing()) }
        pendingCount += Int(row.counts[.pending])
        if row.endedAt == nil { unfinishedTasks += Int(tasks.count) } else { endedTasks += Int(tasks.count) }
        try holdLiveAttempts(of: id, tasks)
    }

    private static func decodePage(_ cbor: CBOR) throws(CodecError) -> [TaskRecord] {
        let items = try cbor.requireArray()
        guard items.count % 2 == 0 else { throw .invalid("a page of tasks cut in half") }
        var page: [TaskRecord] = []
        for at in stride(from: 0, to: items.count, by: 2) {
            let count = try Int(cbor: items[at])
            guard count > 0, count <= TaskTable.pageRows - page.count else {
                throw .invalid("a page of too many tasks")
            }
            page.append(contentsOf: repeatElement(try TaskRecord(cbor: items[at + 1]), count: count))
        }
        return page
    }

    private mutating func holdLiveAttempts(of id: JobID, _ tasks: TaskTable) throws(CodecError) {
        try tasks.forEachTouched { (index, task) throws(CodecError) in
            guard let attempt = task.liveAttempt else { return }
            guard let node = nodeRows.find(attempt.node) else { throw .invalid("an attempt on no node") }
            nodeRows[node].hold(AttemptKey(job: id, task: index, attempt: attempt.number), attempt)
        }
    }
}
