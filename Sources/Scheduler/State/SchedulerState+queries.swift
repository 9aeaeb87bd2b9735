import Codec

/// What can be asked of the state. Lists are ascending.
extension SchedulerState {
    /// Those that belong to the mesh now, present or lost.
    public var members: [NodeRecord] { nodeRows.compactMap { $0.row.record.presence == .left ? nil : $0.row.record } }

    /// Looks at the members that are not lost, ascending, without copying what is known of them.
    public func forEachPresent(_ body: (NodeID) -> Void) {
        nodeRows.forEach(from: nil) { (id, row) in
            if row.record.presence == .present { body(id) }
            return true
        }
    }

    /// The members, and the departed that are still remembered.
    public var nodes: [NodeRecord] { nodeRows.map(\.row.record) }

    public func node(_ id: NodeID) -> NodeRecord? { nodeRows[id]?.record }

    /// The member of this name.
    public func node(named name: String) -> NodeRecord? { memberNames[name].flatMap { node($0) } }

    /// The member with this identity key.
    public func member(identityKey: Bytes) -> NodeRecord? { memberKeys[identityKey].flatMap { node($0) } }

    public func isMember(_ id: NodeID) -> Bool { nodeRows[id].map { $0.record.presence != .left } ?? false }

    /// A member that is not lost.
    public func isPresent(_ id: NodeID) -> Bool {
        guard let position = nodeRows.find(id) else { return false }
        return nodeRows[position].record.presence == .present
    }

    /// What no attempt holds on it; nil for a node that is not here.
    public func freeCapacity(of id: NodeID) -> Capacity? { nodeRows[id]?.free }

    /// Attempts placed there that have not ended, ascending: what the node may run, and nothing else.
    public func attempts(on id: NodeID) -> [AttemptKey] { nodeRows[id]?.attempts ?? [] }

    /// How many attempts of a job have room on a node.
    public func rooms(of job: JobID, on id: NodeID) -> Int {
        nodeRows[id].map { rooms(of: job, on: $0, atMost: .max) } ?? 0
    }

    /// The highest number that a remembered node has.
    public var newestNode: NodeID? { nodeRows.lastKey }

    public var invitations: [InvitationRecord] { invitationRows.map(\.row) }

    public func invitation(_ jti: String) -> InvitationRecord? { invitationRows[jti] }

    /// All jobs that are remembered.
    public var jobs: [JobRecord] { jobRows.map { $0.row.record(id: $0.key) } }

    /// How many jobs are remembered.
    public var jobCount: Int { jobRows.count }

    public func job(_ id: JobID) -> JobRecord? { jobRows[id]?.record(id: id) }

    /// Whether the job is remembered.
    public func contains(_ id: JobID) -> Bool { jobRows.contains(id) }

    /// The job that a request has started, while both are remembered.
    public func job(startedBy request: RequestID) -> JobRecord? {
        guard case .job(let id) = requests.answer(to: request) else { return nil }
        return job(id)
    }

    /// How many jobs have not ended.
    public var unfinishedJobCount: Int { jobRows.count - endedOrder.count }

    public func task(_ key: TaskKey) -> TaskRecord? {
        guard let job = jobRows.find(key.job), key.index < jobRows[job].tasks.count else { return nil }
        return jobRows[job].tasks[key.index]
    }

    /// The attempt, where it is still remembered.
    public func attempt(_ key: AttemptKey) -> Attempt? {
        task(key.taskKey)?.attempts.first { $0.number == key.attempt }
    }

    /// Whether this attempt may go on: it is the newest of its task and has not ended.
    public func isLive(_ key: AttemptKey) -> Bool { task(key.taskKey)?.liveAttempt?.number == key.attempt }

    /// Tasks that wait for a place, by job and index, at most `limit`.
    public func pendingTasks(limit: Int) -> [TaskKey] {
        var keys: [TaskKey] = []
        for (job, _) in waiting {
            guard let position = jobRows.find(job) else { continue }
            for range in jobRows[position].pending {
                for index in range {
                    guard keys.count < limit else { return keys }
                    keys.append(TaskKey(job: job, index: index))
                }
            }
        }
        return keys
    }

    /// The newest checkpoint that a node can be asked for.
    public func newestCheckpoint(_ key: TaskKey, where isReachable: (NodeID) -> Bool) -> Checkpoint? {
        task(key)?.checkpoints.last { $0.holders.contains(where: isReachable) }
    }

    /// Nodes with a copy of a working tree, ascending.
    public func holders(ofTree tree: Digest) -> [NodeID] { treeRows[tree]?.holders ?? [] }
}
