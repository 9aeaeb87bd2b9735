import Codec

/// Makes a state out of the chunks of `StateChunks`, cut anywhere, as they arrive.
///
/// It takes nothing on trust: what does not fit together is an error and gives no state. What is held beside the state
/// under way is the beginning of one record.
public struct StateRestorer: Sendable {
    private var state = SchedulerState()
    private var rest: [UInt8] = []
    private var recordCount: UInt64 = 0
    private var lastKind: StateRecord.Kind?
    /// The job whose tasks follow.
    private var job: (id: JobID, row: JobRow)?
    private var endedCount = 0

    public init() {}

    /// - Throws: where the bytes are not what a state writes; the restorer is of no use then.
    public mutating func take(_ chunk: [UInt8]) throws(CodecError) { try take(chunk[...]) }

    /// - Throws: where the bytes are not what a state writes; the restorer is of no use then.
    public mutating func take(_ chunk: ArraySlice<UInt8>) throws(CodecError) {
        // Most records end in the chunk they begin in, so only the tail of a chunk is copied.
        guard rest.isEmpty else {
            rest += chunk
            let bytes = rest
            rest = []
            return try takeRecords(bytes[...])
        }
        try takeRecords(chunk)
    }

    private mutating func takeRecords(_ bytes: ArraySlice<UInt8>) throws(CodecError) {
        var bytes = bytes
        while bytes.count >= StateRecord.lengthBytes {
            let length = bytes.prefix(StateRecord.lengthBytes).reduce(0) { $0 << 8 | Int($1) }
            guard length <= StateRecord.bytesMax else { throw .malformed(.cbor, .tooLarge, offset: 0) }
            guard bytes.count - StateRecord.lengthBytes >= length else { break }
            bytes = bytes.dropFirst(StateRecord.lengthBytes)
            try takeRecord(try CBOR.decode(bytes.prefix(length), limits: .snapshot).requireMap())
            bytes = bytes.dropFirst(length)
        }
        rest = Array(bytes)
    }

    /// The state, after the last chunk.
    ///
    /// - Throws: where the stream stopped early, or what it held does not fit together.
    public mutating func finish() throws(CodecError) -> SchedulerState {
        guard lastKind == .end, rest.isEmpty else { throw .invalid("a state that is cut off") }
        guard state.nextJob > (state.jobRows.lastKey ?? 0),
            state.nextNode > (state.nodeRows.lastKey?.rawValue ?? 0)
        else { throw .invalid("a state that would give a number twice") }
        guard state.endedOrder.count == endedCount else {
            throw .invalid("a state whose ended jobs are not in its order of ends")
        }
        for (_, id) in state.endedOrder where state.jobRows[id]?.endedAt == nil {
            throw .invalid("a state whose ended jobs are not in its order of ends")
        }
        state.readRetention()
        return state
    }

    private mutating func takeRecord(_ map: CBORMap) throws(CodecError) {
        let number: UInt64 = try map.require(0)
        guard let kind = StateRecord.Kind(rawValue: number) else { throw .unknownKind("StateRecord", number) }
        try checkOrder(kind)
        if kind != .tasks { try closeJob() }
        switch kind {
        case .header: try state.readHeader(map)
        case .knock: state.knocks.append(try map.require(1))
        case .departed: state.departedOrder += try map.require(1, [NodeID].self)
        case .ended: for id in try map.require(1, [JobID].self) { state.appendEnded(id) }
        case .request: try state.requests.restore(map)
        case .invitation:
            let invitation: InvitationRecord = try map.require(1)
            try Self.append(invitation.jti, invitation, to: &state.invitationRows)
        case .setting: try restore(try map.require(1, SettingRecord.self))
        case .issuer:
            let issuer: IssuerRecord = try map.require(1)
            try Self.append(issuer.id, issuer, to: &state.issuerRows)
        case .token:
            let token: TokenRecord = try map.require(1)
            try Self.append(token.name, token, to: &state.tokenRows)
        case .tokenRevocation:
            let revocation: TokenRevocation = try map.require(1)
            try Self.append(revocation.subject, revocation, to: &state.tokenRevocationRows)
        case .node: try restore(try map.require(1, NodeRecord.self))
        case .sweep: try Self.append(try map.require(1), try map.require(2), to: &state.sweeps)
        case .tree: try Self.append(try map.require(1), try TreeRow(map), to: &state.treeRows)
        case .job: job = (try map.require(1), try JobRow(map))
        case .tasks:
            guard job != nil else { throw .invalid("tasks without a job") }
            try job?.row.takeTasks(map)
        case .end:
            guard try map.require(1, UInt64.self) == recordCount else { throw .invalid("a state with a gap") }
        }
        lastKind = kind
        recordCount += 1
    }

    private func checkOrder(_ kind: StateRecord.Kind) throws(CodecError) {
        let isInOrder: Bool =
            switch (lastKind, kind) {
            case (nil, .header): true
            case (nil, _), (_, .header), (.end, _): false
            case (.tasks, .job), (.job, .tasks), (.tasks, .tasks): true
            case (let last?, .tasks): last == .job
            case (let last?, _): last.place <= kind.place
            }
        guard isInOrder else { throw .invalid("records of a state out of order") }
    }

    /// Rows come by ascending key.
    private static func append<Key, Row>(
        _ key: Key, _ row: Row, to table: inout PagedTable<Key, Row>
    ) throws(CodecError) {
        if let last = table.lastKey, key <= last { throw .invalid("rows of a state out of order") }
        table.set(key, row)
    }

    private mutating func restore(_ setting: SettingRecord) throws(CodecError) {
        try Self.append(setting.key, setting, to: &state.settingRows)
        if MeshSetting(rawValue: setting.key) == nil { state.userSettings += 1 }
    }

    private mutating func restore(_ node: NodeRecord) throws(CodecError) {
        try Self.append(node.id, NodeRow(record: node), to: &state.nodeRows)
        for former in node.formerKeys { state.revokedKeys.set(former.key, node.id) }
        if node.revocation != nil {
            state.revokedKeys.set(node.identityKey, node.id)
            state.revokedSessionKeys.set(node.noiseKey, node.id)
        }
        guard node.presence != .left else { return }
        if case .lost = node.presence { state.lostNodes.set(node.id, Nothing()) }
        state.memberNames.set(node.name, node.id)
        state.memberKeys.set(node.identityKey, node.id)
    }

    /// The job's tasks are all there: what follows from them is worked out.
    private mutating func closeJob() throws(CodecError) {
        guard case (let id, var row)? = exchange(&job, with: nil) else { return }
        guard row.tasks.isWhole else { throw .invalid("tasks that do not fit their job") }
        row.countTasks()
        if row.endedAt == nil {
            state.unfinishedTasks += Int(row.tasks.count)
            state.countGuestJob(row.spec.value, 1)
        } else {
            state.endedTasks += Int(row.tasks.count)
            endedCount += 1
        }
        if !row.pending.isEmpty, row.pausedBy == nil { state.waiting.set(id, Nothing()) }
        state.pendingCount += Int(row.counts[.pending])
        try row.tasks.forEachTouched { (index, task) throws(CodecError) in
            guard let attempt = task.liveAttempt else { return }
            guard let node = state.nodeRows.find(attempt.node), state.nodeRows[node].canCount(attempt) else {
                throw .invalid("an attempt that is on no node, or holds more than there can be")
            }
            state.nodeRows[node].hold(AttemptKey(job: id, task: index, attempt: attempt.number), attempt)
        }
        try Self.append(id, row, to: &state.jobRows)
    }

    private func exchange<Value>(_ variable: inout Value?, with value: Value?) -> Value? {
        defer { variable = value }
        return variable
    }
}

extension SchedulerState {
    /// From `encoded()`.
    public init(encoded bytes: [UInt8]) throws(CodecError) {
        var restorer = StateRestorer()
        try restorer.take(bytes)
        self = try restorer.finish()
    }
}
