import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// The files of this host's attempts: working trees and checkpoints brought here before they start, checkpoints and
/// results copied away while and after they run. Confined to its loop.
final class FileService: @unchecked Sendable {
    private let node: MeshNode

    /// A checkpoint is copied to so many other nodes, if there are.
    private static let copies = 2
    /// How long a tree is asked for before the attempt is given up.
    private static let fetchPatience = Interval.seconds(60)
    private static let fetchPause = Interval.milliseconds(500)

    init(node: MeshNode) { self.node = node }

    private var trees: TreeStore { node.trees }
    private var state: SchedulerState { node.state }

    // MARK: Before an attempt

    /// Makes the working directory of an attempt: the tree it was submitted with, and its checkpoint.
    func prepare(_ plan: AttemptPlan) async throws {
        let user = try plan.user()
        let owner = user.map { Materializer.Owner(userID: $0.user, groupID: $0.group) }
        let directory = plan.workingDirectory
        // Only a try of the daemon before this one can have left it; to delete it may take long.
        if HostFiles.exists(directory) { try await trees.perform { _ in try HostFiles.removeTree(directory) } }
        let working = try JobDirectory.makeWorking(of: plan, owner: user)
        if let tree = plan.job.workingTree {
            try await bring(tree, what: "the working directory of job \(plan.key.job)") { [self] in
                state.holders(ofTree: tree) + [plan.job.submitNode]
            }
            try await write(tree, into: working, owner: owner)
        }
        if let gang = plan.job.gang {
            let hosts = GangSeat.hostFile(node.gangs.hosts(of: plan.key, gang), gang)
            try working.write(hosts, as: GangSeat.hostFileName, owner: user)
        }
        let place = try JobDirectory.makeCheckpoint(of: plan, user: user)
        guard let number = plan.attempt.resumedFrom else { return }
        // Ranks of one node share a directory outside of theirs: it is filled once, and none begins before all are ready.
        if plan.hasCheckpointElsewhere, let gang = plan.job.gang, gang.localRank(of: plan.key.task) > 0 { return }
        guard let checkpoint = checkpoint(number, of: plan.checkpointTask) else {
            throw NodeError.holderUnreachable(what: "checkpoint \(number) of job \(plan.key.job)", holders: [])
        }
        try await bring(checkpoint.tree, what: "checkpoint \(number) of job \(plan.key.job)") { [self] in
            self.checkpoint(number, of: plan.checkpointTask)?.holders ?? []
        }
        try await write(checkpoint.tree, into: place, owner: owner)
    }

    private func checkpoint(_ number: UInt64, of key: TaskKey) -> Checkpoint? {
        state.task(key)?.checkpoints.first { $0.number == number }
    }

    func write(_ tree: Digest, into directory: JobDirectory, owner: Materializer.Owner?) async throws {
        try await trees.perform { store in
            do {
                try Materializer(store: store).write(try store.manifest(tree), into: directory.path, owner: owner)
            } catch {
                throw directory.naming(error)
            }
        }
    }

    /// Makes sure that a tree is here, from whoever has it; the holders are asked for anew before each round.
    func bring(_ tree: Digest, what: String, from holders: () -> [NodeID]) async throws {
        if try await trees.holds(tree) { return }
        let deadline = node.loop.now + FileService.fetchPatience
        while true {
            for holder in holders() where holder != node.id {
                do {
                    let stream = try await node.peers.openStream(.transfer, to: holder)
                    defer { stream.cancel() }
                    try await TreeExchange.fetch(tree, into: trees, over: stream)
                    return
                } catch {
                    node.log.note(
                        "\(what) cannot be had from \(node.views.nodeName(holder)): \(APIFailure(error).message)")
                }
                try Task.checkCancellation()
            }
            guard node.loop.now < deadline else {
                throw NodeError.holderUnreachable(what: what, holders: holders().map(node.views.nodeName))
            }
            try await node.loop.sleep(for: FileService.fetchPause)
        }
    }

    // MARK: Copies

    /// Copies a tree to other nodes, the first ones that take it; the answer is who has it.
    func copy(_ tree: Digest, to count: Int, preferring preferred: NodeID? = nil) async -> [NodeID] {
        var holders: [NodeID] = []
        for candidate in candidates(preferring: preferred) where holders.count < count {
            if await copy(tree, to: candidate) { holders.append(candidate) }
        }
        return holders
    }

    private func copy(_ tree: Digest, to peer: NodeID) async -> Bool {
        do {
            let stream = try await node.peers.openStream(.transfer, to: peer)
            defer { stream.cancel() }
            try await TreeExchange.push(tree, from: trees, over: stream)
            return true
        } catch {
            node.log.note("\(node.views.nodeName(peer)) did not take a copy: \(APIFailure(error).message)")
            return false
        }
    }

    private func candidates(preferring preferred: NodeID?) -> [NodeID] {
        let others = state.members.filter {
            $0.presence == .present && $0.mayRunWork && $0.id != node.id && node.peers.isConnected($0.id)
        }
        .map(\.id)
        return others.sorted { ($0 == preferred ? 0 : 1, $0) < ($1 == preferred ? 0 : 1, $1) }
    }

    // MARK: Checkpoints

    /// Copies what the attempt saves, as it saves it, until cancelled, or until it has ended by itself and its last set
    /// is copied.
    func watchCheckpoints(_ plan: AttemptPlan, hasEnded: () -> Bool) async {
        guard let policy = plan.job.checkpoint else { return }
        let rules = CheckpointRules(
            patterns: policy.patterns, takesAll: policy.patterns.isEmpty,
            every: .milliseconds(Int64(clamping: policy.everyMilliseconds)))
        var watcher = CheckpointWatcher(rules: rules)
        var recorded: Digest?
        var told: String?
        while !Task.isCancelled {
            var taken: CheckpointSet?
            let isLast = hasEnded()
            do {
                // Looked up anew each time: a job may move its directory away and make another.
                if let directory = try JobDirectory.checkpoint(of: plan, user: try plan.user()) {
                    let listing = try await list(directory)
                    taken = isLast ? watcher.lookLast(listing) : watcher.look(listing, at: node.loop.now)
                    do {
                        if let set = taken { recorded = try await ship(set, in: directory, plan, after: recorded) }
                    } catch {
                        throw directory.naming(error)
                    }
                }
                told = nil
            } catch {
                if Task.isCancelled { return }
                if let taken { watcher.retract(taken) }
                let reason = APIFailure(error).message
                if reason != told { node.log.note("a checkpoint of job \(plan.key.job) was not taken: \(reason)") }
                told = reason
            }
            if isLast { return }
            do { try await node.loop.sleep(for: CheckpointWatcher.settle / 2) } catch { return }
        }
    }

    private func list(_ directory: JobDirectory) async throws -> [FileFacts] {
        try await node.loop.offload {
            Result { () throws(HostError) in try GPUBackend.DirectoryScanner.list(directory.path) }
        }.get()
    }

    /// Copies one complete set of files away and records it: it counts from its first copy on another node.
    private func ship(
        _ set: CheckpointSet, in directory: JobDirectory, _ plan: AttemptPlan, after recorded: Digest?
    ) async throws -> Digest? {
        let patterns = set.files.map(\.path)
        let manifest = try await trees.perform { store in
            let collected = try TreeCollector(patterns: patterns).collect(directory.path, into: store)
            try store.commit()
            try store.put(collected.manifest)
            try store.commit()
            return collected.manifest
        }
        // What changed while it was read is no complete set: the next look finds it.
        guard set.isUnchanged(in: try await list(directory)) else { return recorded }
        let tree = manifest.root
        guard tree != recorded, !manifest.entries.isEmpty else { return recorded }
        let known = state.task(plan.key.taskKey)?.checkpoints.last
        if known?.tree == tree { return tree }
        let others = state.members.filter { $0.presence == .present && $0.mayRunWork && $0.id != node.id }
        let first = await copy(tree, to: 1)
        // On a mesh of one node there is nobody to copy to: then it helps against the job's own failure only.
        guard !first.isEmpty || others.isEmpty else { return recorded }
        let number = (known?.number ?? 0) + 1
        let checkpoint = Checkpoint(
            number: number, attempt: plan.key.attempt, tree: tree, bytes: manifest.byteCount,
            holders: [node.id] + first)
        _ = try await node.driver.carryOut(.checkpoint(plan.key, checkpoint))
        for candidate in candidates(preferring: nil) where !first.contains(candidate) {
            guard first.count < FileService.copies else { break }
            guard await copy(tree, to: candidate) else { continue }
            _ = try await node.driver.carryOut(
                .holders(job: plan.key.job, task: plan.key.task, checkpoint: number, added: candidate))
            break
        }
        return tree
    }

    // MARK: Results

    /// Takes the files that `--out` names and copies them to where the job was submitted, or to another node.
    func collectResults(_ plan: AttemptPlan) async throws {
        let directory = plan.workingDirectory
        let patterns = plan.job.outputs
        let collected = try await trees.perform { store in
            let collected = try TreeCollector(patterns: patterns).collect(directory, into: store)
            try store.commit()
            try store.put(collected.manifest)
            try store.commit()
            return collected
        }
        let manifest = collected.manifest
        guard !manifest.entries.isEmpty else { return }
        let copies = await copy(manifest.root, to: 1, preferring: plan.job.submitNode)
        let results = ResultFiles(
            tree: manifest.root, bytes: manifest.byteCount, files: UInt64(manifest.fileCount),
            holders: [node.id] + copies)
        while true {
            do {
                _ = try await node.driver.carryOut(.results(plan.key, results))
                return
            } catch NodeError.noLeader where node.isRunning {
                // The job has done its work: that the mesh cannot hear of it now must not make a failure of it.
                continue
            }
        }
    }
}
