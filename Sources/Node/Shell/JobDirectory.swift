import Codec
import GPUBackend
import Glibc
import Mesh

/// A directory that a job can write in, held open while this daemon works in it.
///
/// A job may rename what it owns, and put links where its directories were, at any time. So its directories are found
/// one name at a time without following links, and what is read and written afterwards goes through the open
/// directory, whatever its name means by then.
final class JobDirectory: Sendable {
    let descriptor: Int32
    /// For people.
    private let name: String

    /// Leads to the open directory itself, for code that takes a path.
    var path: String { "/proc/self/fd/\(descriptor)" }

    /// The same error with the directory's name in the place of its number.
    func naming(_ error: any Error) -> any Error {
        func shown(_ text: String) -> String {
            text == path || text.hasPrefix(path + "/") ? name + text.dropFirst(path.count) : text
        }
        switch error {
        case TransferError.disk(let path, let operation, let reason):
            return TransferError.disk(path: shown(path), operation: operation, reason: reason)
        case TransferError.inTheWay(let path): return TransferError.inTheWay(shown(path))
        case TransferError.unreadable(let path, let reason):
            return TransferError.unreadable(shown(path), reason: reason)
        case HostError.system(let operation, let path, let number):
            return HostError.system(operation: operation, path: shown(path), errorNumber: number)
        default: return error
        }
    }

    private init(descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    deinit { close(descriptor) }

    /// The working directory of an attempt, which must be there. Only the daemon can write where its name stands.
    static func working(of plan: AttemptPlan) throws(HostError) -> JobDirectory {
        let path = plan.workingDirectory
        let descriptor = try HostFiles.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        return JobDirectory(descriptor: descriptor, name: path)
    }

    /// Makes the working directory of an attempt, the job's own and nobody else's.
    static func makeWorking(of plan: AttemptPlan, owner: JobUser?) throws(HostError) -> JobDirectory {
        let path = plan.workingDirectory
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure("mkdir", path) }
        let made = try working(of: plan)
        if let owner, fchown(made.descriptor, owner.user, owner.group) != 0 { throw failure("chown", path) }
        return made
    }

    /// Writes a small file in it, in the place of one of that name.
    func write(_ bytes: [UInt8], as file: String, owner: JobUser?) throws(HostError) {
        _ = unlinkat(descriptor, file, 0)
        let path = "\(name)/\(file)"
        let written = openat(descriptor, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard written >= 0 else { throw JobDirectory.failure("create", path) }
        defer { close(written) }
        guard Glibc.write(written, bytes, bytes.count) == bytes.count else { throw JobDirectory.failure("write", path) }
        if let owner, fchown(written, owner.user, owner.group) != 0 { throw JobDirectory.failure("chown", path) }
    }

    /// The checkpoint directory of an attempt, nil where it is not there.
    static func checkpoint(of plan: AttemptPlan, user: JobUser?) throws -> JobDirectory? {
        guard !plan.hasCheckpointElsewhere else { return try elsewhere(plan, user: user) }
        var directory = try working(of: plan)
        for name in try names(in: plan.checkpointName) {
            guard let inner = try directory.inner(name) else { return nil }
            directory = inner
        }
        return directory
    }

    /// The checkpoint directory of an attempt, made where it is missing.
    ///
    /// Throws `checkpointDirectoryRefused` where the job's user has no right to it: what root would make or read there
    /// on the job's behalf, the job could not do by itself.
    static func makeCheckpoint(of plan: AttemptPlan, user: JobUser?) throws -> JobDirectory {
        if plan.hasCheckpointElsewhere {
            if let found = try elsewhere(plan, user: user) { return found }
            return try makeElsewhere(plan, user: user)
        }
        var directory = try working(of: plan)
        for name in try names(in: plan.checkpointName) { directory = try directory.makeInner(name, owner: user) }
        return directory
    }

    /// The components of a path; one that leads out of its directory is refused.
    static func names(in path: String) throws(NodeError) -> [String] {
        let names = path.split(separator: "/").map(String.init).filter { $0 != "." }
        guard !names.contains("..") else {
            throw .checkpointDirectoryRefused(path: path, reason: "it leads out of the working directory")
        }
        return names
    }

    // MARK: Inside the working directory

    private func inner(_ name: String) throws -> JobDirectory? {
        let path = "\(self.name)/\(name)"
        let inner = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if inner >= 0 { return JobDirectory(descriptor: inner, name: path) }
        switch errno {
        case ENOENT: return nil
        case ENOTDIR, ELOOP:
            throw NodeError.checkpointDirectoryRefused(path: path, reason: "it is a link or a file, not a directory")
        default: throw JobDirectory.failure("open", path)
        }
    }

    private func makeInner(_ name: String, owner: JobUser?) throws -> JobDirectory {
        if let there = try inner(name) { return there }
        let path = "\(self.name)/\(name)"
        guard mkdirat(descriptor, name, 0o700) == 0, let made = try inner(name) else {
            throw JobDirectory.failure("mkdir", path)
        }
        if let owner, fchown(made.descriptor, owner.user, owner.group) != 0 {
            throw JobDirectory.failure("chown", path)
        }
        return made
    }

    // MARK: Elsewhere on the host

    /// An absolute path, links followed; the directory at its end must be the user's own.
    private static func elsewhere(_ plan: AttemptPlan, user: JobUser?) throws -> JobDirectory? {
        let path = plan.checkpointName
        guard let found = try open(path) else { return nil }
        if let user, case let owner = try found.owner, owner != user.user {
            throw NodeError.checkpointDirectoryRefused(
                path: path,
                reason: "it belongs to \(Accounts.text(owner)) and the job runs as \(Accounts.text(user.user))")
        }
        return found
    }

    /// Makes what is missing below a directory that the user owns; where root itself has asked, below any.
    private static func makeElsewhere(_ plan: AttemptPlan, user: JobUser?) throws -> JobDirectory {
        let path = plan.checkpointName
        var missing: [String] = []
        var names = try names(in: path)
        while let last = names.popLast() {
            missing.append(last)
            let parent = "/" + names.joined(separator: "/")
            guard var directory = try open(parent) else { continue }
            if let user, plan.job.uid != 0, case let owner = try directory.owner, owner != user.user {
                throw NodeError.checkpointDirectoryRefused(
                    path: path,
                    reason: "it is missing, and \(parent) belongs to \(Accounts.text(owner)), "
                        + "not to \(Accounts.text(user.user))")
            }
            for name in missing.reversed() { directory = try directory.makeInner(name, owner: user) }
            return directory
        }
        throw NodeError.checkpointDirectoryRefused(path: path, reason: "it names no directory")
    }

    private static func open(_ path: String) throws -> JobDirectory? {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor >= 0 { return JobDirectory(descriptor: descriptor, name: path) }
        switch errno {
        case ENOENT: return nil
        case ENOTDIR: throw NodeError.checkpointDirectoryRefused(path: path, reason: "it is no directory")
        default: throw failure("open", path)
        }
    }

    private var owner: UInt32 {
        get throws {
            var facts = stat()
            guard fstat(descriptor, &facts) == 0 else { throw JobDirectory.failure("stat", name) }
            return facts.st_uid
        }
    }

    private static func failure(_ operation: String, _ path: String) -> HostError {
        .system(operation: operation, path: path, errorNumber: errno)
    }
}
