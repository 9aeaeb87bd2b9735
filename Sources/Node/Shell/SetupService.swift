import Codec
import GPUBackend
import Glibc
import Mesh
import Ring
import Scheduler

/// What the setup commands of this host's attempts make: kept when one has ended well, given to the next attempt that would
/// make the same. Confined to its loop.
///
/// While what a setup made is copied its attempt stands still and runs nothing (`AttemptSpec.keepsSetup`). Of attempts that
/// would make the same at once, one does and the others wait for it; ranks of a gang, which begin together, wait for nobody.
final class SetupService: @unchecked Sendable {
    private struct Maker {
        var key: AttemptKey
        /// By the clock of file systems: what was sent has not changed since before.
        var begunAt: timespec
    }

    private let node: MeshNode
    private let store: KeptTrees
    /// Who makes what is not kept yet.
    private var makers: [String: Maker] = [:]
    /// From what is being copied, and how often at once.
    private var users: [String: Int] = [:]
    /// Of attempts whose setup was kept before, until they begin.
    private var reused: [AttemptKey: AttemptSetup] = [:]

    /// Where an attempt with a setup finds its working directory: programs write down where they were installed.
    static let place = "/run/job"
    /// In the working directory: what programs can make again.
    private static let cache = ".cache"

    init(node: MeshNode) throws {
        self.node = node
        store = KeptTrees(path: node.directory.setups, boot: try KeptTrees.thisBoot())
    }

    // MARK: Before an attempt starts

    /// Puts what was kept into the directory of an attempt, which then has nothing to set up, or lets it make that to be kept.
    func settle(_ plan: AttemptPlan, _ spec: inout AttemptSpec) async throws {
        guard let line = plan.job.sandbox?.setup, spec.sandbox != nil else { return }
        let image = plan.image?.path ?? ""
        let name = SetupKey.digest(line, of: plan.job, files: try await files(of: plan), image: image).hex
        let store = store
        while true {
            if let kept = await node.loop.offload({ store.find(name) }) {
                guard try await putBack(name, kept, plan) else { continue }
                spec.setup = []
                if spec.sandbox?.network == .setupOnly { spec.sandbox?.network = .off }
                return
            }
            guard let maker = makers[name], maker.key != plan.key else { break }
            guard plan.job.gang == nil, node.runner.canKeepSetup(maker.key) else { return }
            try await node.driver.changes.wait()
        }
        makers[name] = Maker(key: plan.key, begunAt: timespec())
        makers[name]?.begunAt = try await nextTick()
        spec.keepsSetup = true
    }

    /// False where what was kept turned out to be damaged: it is gone, and the directory is as it was sent.
    private func putBack(_ name: String, _ kept: KeptTree, _ plan: AttemptPlan) async throws -> Bool {
        users[name, default: 0] += 1
        defer { users[name] = users[name] == 1 ? nil : users[name, default: 1] - 1 }
        let begun = node.loop.now
        let owner = try plan.user()
        let directory = plan.workingDirectory
        let store = store
        let outcome = await node.loop.offload {
            Result { () throws(HostError) in
                var copy = TreeCopy()
                copy.owner = owner
                try copy.run(from: store.files(name), into: directory)
            }
        }
        if case .failure(let error) = outcome {
            node.log.warning("the setup that job \(kept.job) left cannot be used: \(error.message)")
            try await node.loop.offload { Result { () throws(HostError) in try store.remove(name) } }.get()
            try await node.files.prepare(plan)
            return false
        }
        let milliseconds = UInt64(max(0, (node.loop.now - begun).milliseconds))
        reused[plan.key] = AttemptSetup(milliseconds: milliseconds, use: .reused, from: kept.job)
        return true
    }

    /// What was used instead of the setup of an attempt that begins now.
    func takeReused(_ key: AttemptKey) -> AttemptSetup? { reused.removeValue(forKey: key) }

    private func files(of plan: AttemptPlan) async throws -> Manifest? {
        guard let tree = plan.job.workingTree else { return nil }
        return try await node.trees.manifestIfPresent(tree)
    }

    /// The time that file systems write down, once it has moved on: what was written before is older.
    private func nextTick() async throws -> timespec {
        let before = SetupService.fileTime()
        while true {
            let now = SetupService.fileTime()
            if SetupService.precedes(before, now) { return now }
            try await node.loop.sleep(for: .milliseconds(2))
        }
    }

    private static func fileTime() -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return time
    }

    private static func precedes(_ first: timespec, _ second: timespec) -> Bool {
        (first.tv_sec, first.tv_nsec) < (second.tv_sec, second.tv_nsec)
    }

    // MARK: When a setup has ended

    /// - Parameter waiting: the supervisor that holds the attempt still until it hears of it; nil: it has gone on.
    func ended(_ key: AttemptKey, milliseconds: UInt64, waiting: SupervisorLink?) {
        node.loop.spawn("setup of \(key.job).\(key.task)") { [self] in
            var setup = AttemptSetup(milliseconds: milliseconds, use: .ran)
            let made = makers.first { $0.value.key == key }
            if let waiting {
                if let made {
                    setup.reason = await keep(made.key, made.value)
                    if setup.reason == nil { setup.use = .kept }
                }
                waiting.send(.goOn(key))
            }
            node.runner.tellSetup(key, setup)
            if let made, setup.use == .kept { await settleOnDisk(made.key) }
            release(key)
        }
    }

    /// It makes nothing any more.
    func release(_ key: AttemptKey) {
        reused[key] = nil
        guard let name = makers.first(where: { $0.value.key == key })?.key else { return }
        makers[name] = nil
        node.driver.changes.notify()
    }

    /// Nil, or why it is not kept.
    private func keep(_ name: String, _ maker: Maker) async -> String? {
        do {
            guard let plan = node.plan(for: maker.key) else { throw NodeError.jobNotFound(maker.key.job) }
            let files = try await files(of: plan)
            var leftOut: Set<String> = [GangSeat.hostFileName, SetupService.cache]
            if !plan.hasCheckpointElsewhere {
                leftOut.insert(try JobDirectory.names(in: plan.checkpointName).joined(separator: "/"))
            }
            let (directory, job, store, begunAt) = (plan.workingDirectory, maker.key.job, store, maker.begunAt)
            return try await node.loop.offload { [leftOut] in
                Result { () throws(HostError) -> String? in
                    if let changed = SetupService.changed(files, in: directory, since: begunAt) {
                        return "it changed \(changed), which was sent"
                    }
                    _ = try store.keep(name, job: job) { (place, bytesMax) throws(HostError) -> UInt64 in
                        var copy = TreeCopy(bytesMax: bytesMax, entriesMax: KeptTrees.entriesMax)
                        copy.known = Set(files?.entries.map(\.path) ?? [])
                        copy.leftOut = leftOut
                        try copy.run(from: directory, into: place)
                        return copy.bytes
                    }
                    return nil
                }
            }.get()
        } catch HostError.system(_, _, EFBIG) {
            return "it is more than this host keeps"
        } catch {
            return String(APIFailure(error).message.prefix(200))
        }
    }

    /// The first file that is not as it was sent.
    private static func changed(_ files: Manifest?, in directory: String, since time: timespec) -> String? {
        files?.entries.first { entry in
            if case .directory = entry.content { return false }
            var facts = stat()
            guard lstat("\(directory)/\(entry.path)", &facts) == 0 else { return true }
            return !precedes(facts.st_ctim, time)
        }?.path
    }

    private func settleOnDisk(_ name: String) async {
        let store = store
        let outcome = await node.loop.offload { Result { () throws(HostError) in try store.settle(name) } }
        if case .failure(let error) = outcome { node.log.warning("a setup is not kept for good: \(error.message)") }
        await trim()
    }

    /// Lets go of what nobody used for long, or what there is no room for.
    func trim() async {
        let inUse = Set(users.keys).union(makers.keys)
        let now = Int(EventLoops.wallClock.nanoseconds / 1_000_000_000)
        let store = store
        let outcome = await node.loop.offload {
            Result { () throws(HostError) in try store.trim(keeping: inUse, now: now) }
        }
        switch outcome {
        case .success(let count): if count > 0 { node.log.note("removed \(count) setups that were kept") }
        case .failure(let error): node.log.warning("kept setups cannot be tidied up: \(error.message)")
        }
    }
}
