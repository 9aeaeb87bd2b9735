import CSodium
import GPUBackend
import Glibc
import Mesh
import Tokens

/// The secrets in a data directory, which may be locked by a passphrase. A file is locked or not, each for itself: whoever
/// is killed between two of them leaves a directory that starts with the passphrase, and what is missing is done by the
/// next try.
public enum KeysAtRest {
    /// How many files are locked, and how many are not.
    public struct Standing: Hashable, Sendable {
        public var locked = 0
        public var open = 0
    }

    private struct File {
        let path: String
        /// A session key, not a signing key.
        var isNoise = false
    }

    /// - Throws: `TokenError` for a file that must not be used.
    public static func standing(_ directory: DataDirectory) throws -> Standing {
        var standing = Standing()
        for file in files(directory) {
            if try isLocked(file) { standing.locked += 1 } else { standing.open += 1 }
        }
        return standing
    }

    /// Opens whatever is locked, before anything is changed.
    ///
    /// - Throws: `TokenError.keyLocked`, `.keyNotOpened`, `.keyDamaged`, and what keeps a file from being used.
    static func open(_ directory: DataDirectory, _ lock: KeyLock) throws {
        for file in files(directory) where try isLocked(file) { _ = try SigningKeyFile.load(file.path, lock) }
    }

    /// Locks every key; daemons are kept out meanwhile.
    ///
    /// - Returns: whether anything was left to do.
    /// - Throws: `NodeError.keysInUse`, `.keysMissing`; `TokenError.keyNotOpened` where something is locked already, by
    ///   another passphrase.
    public static func lock(_ directory: DataDirectory, _ passphrase: Passphrase) throws -> Bool {
        try held(directory) { try lock(directory, KeyLock(passphrase)) }
    }

    /// The same in a directory that is held.
    static func lock(_ directory: DataDirectory, _ lock: KeyLock, onStep: () throws -> Void = {}) throws -> Bool {
        try open(directory, lock)
        try settle(directory, lock)
        lock.lockNewKeys()
        return try rewrite(directory, from: lock, to: lock, onStep)
    }

    /// The other way round.
    public static func unlock(_ directory: DataDirectory, _ passphrase: Passphrase) throws -> Bool {
        try held(directory) { try unlock(directory, KeyLock(passphrase)) }
    }

    static func unlock(_ directory: DataDirectory, _ lock: KeyLock, onStep: () throws -> Void = {}) throws -> Bool {
        try open(directory, lock)
        try settle(directory, lock)
        return try rewrite(directory, from: lock, to: KeyLock(), onStep)
    }

    // MARK: Files

    /// Those that there are.
    private static func files(_ directory: DataDirectory) -> [File] {
        let places = [directory.keys] + ["other", "taken", "former"].map { "\(directory.keys)/\($0)" }
        let found =
            places.flatMap { [File(path: "\($0)/identity"), File(path: "\($0)/noise", isNoise: true)] }
            + [File(path: directory.meshKey), File(path: directory.nextMeshKey)]
        return found.filter { HostFiles.exists($0.path) }
    }

    private static func isLocked(_ file: File) throws(TokenError) -> Bool {
        try content(file) { SigningKeyFile.isLocked($0) }
    }

    private static func content<Result>(_ file: File, _ body: ([UInt8]) -> Result) throws(TokenError) -> Result {
        var content = try SecretFile.read(file.path, byteCountMax: SigningKeyFile.byteCountMax)
        defer { sodium_memzero(&content, content.count) }
        return body(content)
    }

    private static func held<Result>(_ directory: DataDirectory, _ body: () throws -> Result) throws -> Result {
        umask(0o077)
        try Sodium.start()
        if HostFiles.exists(directory.path) { try directory.prepare() }
        guard HostFiles.exists(directory.identity) else { throw NodeError.keysMissing(path: directory.path) }
        let held: Int32
        do { held = try directory.hold() } catch NodeError.dataDirectoryInUse(_, let process) {
            throw NodeError.keysInUse(process: process)
        }
        defer { close(held) }
        return try body()
    }

    /// Ends what a killed daemon or command has begun, and deletes what it was about to write: plain keys may be in it.
    private static func settle(_ directory: DataDirectory, _ lock: KeyLock) throws {
        try OtherKeys.finishTaking(directory, lock)
        for place in ["other.new", "gone"].map({ "\(directory.keys)/\($0)" }) {
            for name in ["identity", "noise", "noise.new"] { try SecretFile.delete("\(place)/\(name)") }
            try HostFiles.removeTree(place)
        }
        let places = [directory.keys] + (HostFiles.exists(directory.otherKeys) ? [directory.otherKeys] : [])
        for place in places {
            for name in try HostFiles.names(in: place) where name.hasSuffix(".new") {
                try SecretFile.delete("\(place)/\(name)")
            }
        }
    }

    private static func rewrite(
        _ directory: DataDirectory, from lock: KeyLock, to wanted: KeyLock, _ onStep: () throws -> Void
    ) throws -> Bool {
        var isChanged = false
        for file in files(directory) {
            let isDone = try content(file) { content in
                wanted.isLocking
                    ? SigningKeyFile.isLocked(content, as: wanted) : !SigningKeyFile.isLocked(content)
            }
            guard !isDone else { continue }
            if file.isNoise {
                try NoiseKeyFile.replace(file.path, with: NoiseKeyFile.load(file.path, lock), wanted)
            } else {
                try SigningKeyFile.replace(file.path, with: SigningKeyFile.load(file.path, lock), wanted)
            }
            isChanged = true
            try onStep()
        }
        return isChanged
    }
}
