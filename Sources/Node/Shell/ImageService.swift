import CLinux
import Codec
import GPUBackend
import Glibc
import Ring
import Scheduler

/// The roots that jobs bring: directories of this host as they are, archives unpacked once and kept. Confined to its loop.
final class ImageService: @unchecked Sendable {
    private let node: MeshNode
    private let store: KeptTrees
    private var unpacking: Set<String> = []

    init(node: MeshNode) throws {
        self.node = node
        // Jobs that have a user of their own read them as that user.
        store = KeptTrees(path: node.directory.images, boot: try KeptTrees.thisBoot(), mode: 0o711)
    }

    /// Where the root of an attempt is; nil where it brings none. Throws `imageRefused`.
    func root(for plan: AttemptPlan) async throws -> ImageRoot? {
        guard let path = try plan.imagePath(node.host.policy) else { return nil }
        var facts = stat()
        guard lstat(path, &facts) == 0 else { throw refusal(plan, "it is not there") }
        if facts.st_mode & S_IFMT == S_IFDIR { return ImageRoot(path: path, isUnpacked: false) }
        guard facts.st_mode & S_IFMT == S_IFREG else { throw refusal(plan, "it is neither a directory nor a file") }
        let (archive, name) = try await open(path, for: plan)
        defer { close(archive) }
        while unpacking.contains(name) { try await node.driver.changes.wait() }
        let store = store
        if await node.loop.offload({ store.find(name) }) == nil { try await unpack(archive, name, plan) }
        return ImageRoot(path: store.files(name), isUnpacked: true)
    }

    /// The archive, and what it is kept by: which file it is, and of when. Opened with the rights of the job: it is shown no
    /// more than it could have read.
    private func open(_ path: String, for plan: AttemptPlan) async throws -> (Int32, String) {
        let user = try plan.user()
        let file = await node.loop.offload {
            let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
            if let user { return clinux_open_as(path, flags, user.user, user.group) }
            let file = Glibc.open(path, flags)
            return file < 0 ? -errno : file
        }
        guard file >= 0 else { throw refusal(plan, String(cString: strerror(-file))) }
        var facts = stat()
        guard fstat(file, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
            close(file)
            throw refusal(plan, "it is not a file any more")
        }
        let text =
            "\(path) \(facts.st_dev) \(facts.st_ino) \(facts.st_size) \(facts.st_mtim.tv_sec).\(facts.st_mtim.tv_nsec)"
            + " \(facts.st_ctim.tv_sec).\(facts.st_ctim.tv_nsec)"
        return (file, BLAKE3.hash(Array(text.utf8)).hex)
    }

    private func unpack(_ archive: Int32, _ name: String, _ plan: AttemptPlan) async throws {
        unpacking.insert(name)
        defer {
            unpacking.remove(name)
            node.driver.changes.notify()
        }
        let (store, job) = (store, plan.key.job)
        let why = await node.loop.offload { ImageService.unpack(archive, name, job, into: store) }
        if let why { throw refusal(plan, why) }
        node.loop.spawn("image \(name.prefix(8))") { [self] in
            let outcome = await node.loop.offload { Result { () throws(HostError) in try store.settle(name) } }
            if case .failure(let error) = outcome {
                node.log.warning("an image is not kept for good: \(error.message)")
            }
        }
    }

    /// Nil, or why it could not be.
    private static func unpack(_ archive: Int32, _ name: String, _ job: JobID, into store: KeptTrees) -> String? {
        var refusal: String?
        do throws(HostError) {
            _ = try store.keep(name, job: job) { (place, bytesMax) throws(HostError) -> UInt64 in
                var unpacker = TarUnpacker(bytesMax: bytesMax, entriesMax: KeptTrees.entriesMax)
                do throws(TarUnpacker.Refusal) {
                    try unpacker.unpack(archive, into: place)
                } catch {
                    refusal = error.reason
                    throw HostError.notOurs(path: place)
                }
                return unpacker.bytes
            }
            return nil
        } catch { return refusal ?? error.message }
    }

    private func refusal(_ plan: AttemptPlan, _ reason: String) -> NodeError {
        .imageRefused(plan.job.sandbox?.image ?? "", node: plan.nodeName, reason: reason)
    }

    /// Lets go of what nobody used for long, or what there is no room for; nothing while a job here may stand on it.
    func trim() async {
        guard unpacking.isEmpty, !node.runner.attempts.keys.contains(where: hasImage) else { return }
        let now = Int(EventLoops.wallClock.nanoseconds / 1_000_000_000)
        let store = store
        let outcome = await node.loop.offload {
            Result { () throws(HostError) in try store.trim(keeping: [], now: now) }
        }
        if case .failure(let error) = outcome { node.log.warning("images cannot be tidied up: \(error.message)") }
    }

    private func hasImage(_ key: AttemptKey) -> Bool { node.state.job(key.job)?.spec.sandbox?.image != nil }
}
