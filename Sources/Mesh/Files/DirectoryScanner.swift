import Codec
import Glibc

/// Reads a working directory as it would travel: what git would ignore stays, so does what `.swarmletignore` names, and
/// secrets and host-bound things stay unless somebody names them.
///
/// Blocking; it holds at most one chunk of content at a time.
public struct DirectoryScanner {
    /// Something that stays.
    public struct Ignored: Hashable, Sendable {
        /// Below the root.
        public let path: String
        /// Of all files in it; a lower bound where it has very many.
        public let byteCount: UInt64
        /// Whether it stays by name and not by a rule of the user: `.git` and the like.
        public let isNeverSent: Bool
    }

    /// What a scan has found.
    public struct Result: Sendable {
        public let manifest: Manifest
        /// What stays, largest first.
        public let ignored: [Ignored]
        /// Where the content of each chunk lies, to be read when a receiver lacks it.
        public let sources: ChunkSources
    }

    /// Paths below the root that travel with everything in them, whatever the rules say.
    public var named: [String]

    public init(named: [String] = []) {
        self.named = named.map { path in
            RelativePath.components(of: path).filter { $0 != "." }.joined(separator: "/")
        }
    }

    /// Scans the directory; with a store its content is put there as well (and not committed).
    ///
    /// Throws `TransferError` with a code of `files.`; each names the path and a way out.
    public func scan(_ path: String, into store: BlobStore? = nil) throws(TransferError) -> Result {
        var walk = Walk(root: path, named: named, store: store)
        walk.rules = try Self.rulesAbove(path)
        walk.prefix = walk.rules.isEmpty ? [] : try Self.namesBelowRepository(path)
        try walk.visit(DirectoryHandle(path: path), path: "", names: [], staysByName: nil)
        try walk.checkLinks()
        let manifest = try Manifest(entries: walk.entries)
        let ignored = walk.ignored.sorted {
            $0.byteCount != $1.byteCount ? $0.byteCount > $1.byteCount : RelativePath.precedes($0.path, $1.path)
        }
        return Result(manifest: manifest, ignored: ignored, sources: walk.sources)
    }

    // MARK: Rules of the repository around the directory

    /// The real path of the repository that holds `path`, or nil.
    private static func repository(around path: String) throws(TransferError) -> String? {
        var directory = try realPath(path)
        while true {
            if access(directory == "/" ? "/.git" : directory + "/.git", F_OK) == 0 { return directory }
            if directory == "/" || directory.isEmpty { return nil }
            let parent = RelativePath.parent(of: directory)
            directory = parent.isEmpty ? "/" : parent
        }
    }

    /// The names from the repository's top down to the directory.
    private static func namesBelowRepository(_ path: String) throws(TransferError) -> [[UInt8]] {
        guard let top = try repository(around: path) else { return [] }
        return try RelativePath.components(of: String(realPath(path).dropFirst(top.count))).map { Array($0.utf8) }
    }

    /// The rules of `.gitignore` files from the repository's top to the directory's parent.
    private static func rulesAbove(_ path: String) throws(TransferError) -> [Walk.Layer] {
        guard var directory = try repository(around: path) else { return [] }
        var layers: [Walk.Layer] = []
        for (depth, name) in try namesBelowRepository(path).enumerated() {
            if let rules = try readRules(DirectoryHandle(path: directory), ".gitignore") {
                layers.append(Walk.Layer(rules: rules, depth: depth, isOwn: false))
            }
            directory += (directory == "/" ? "" : "/") + String(decoding: name, as: UTF8.self)
        }
        return layers
    }

    private static func realPath(_ path: String) throws(TransferError) -> String {
        guard let resolved = realpath(path, nil) else {
            throw errno == ENOENT ? .notFound(path) : .unreadable(path, reason: errorText(errno))
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The rules in the file of this name, or nil where there is none.
    static func readRules(_ directory: DirectoryHandle, _ name: String) throws(TransferError) -> IgnoreRules? {
        guard let status = try directory.status(name), status.kind == .file else { return nil }
        guard status.byteCount <= UInt64(TransferConstants.ignoreFileBytesMax) else {
            throw .ignoreFileTooLong(directory.path(of: name))
        }
        let text = try directory.file(name).read(offset: 0, count: Int(status.byteCount))
        let rules = IgnoreRules(text: text)
        return rules.isEmpty ? nil : rules
    }
}

extension DirectoryScanner {
    /// The state of one scan.
    struct Walk {
        /// The rules of one file, and how deep below the top of the repository its directory lies.
        struct Layer {
            let rules: IgnoreRules
            let depth: Int
            /// From `.swarmletignore`, whose word stands above everything else.
            let isOwn: Bool
        }

        let root: String
        let named: [String]
        let store: BlobStore?
        /// From the outermost directory inwards; within a directory `.swarmletignore` after `.gitignore`.
        var rules: [Layer] = []
        /// Names from the repository's top to the root of the scan.
        var prefix: [[UInt8]] = []
        var entries: [Manifest.Entry] = []
        var ignored: [Ignored] = []
        var sources = ChunkSources()
        private var ignoredEntriesLeft = TransferConstants.ignoredEntriesMax

        init(root: String, named: [String], store: BlobStore?) {
            self.root = root
            self.named = named
            self.store = store
        }

        /// Visits a directory. `staysByName` is nil for one that travels; one that stays is visited only because
        /// something in it was named, and then says whether it stays by its name.
        mutating func visit(
            _ directory: DirectoryHandle, path: String, names: [[UInt8]], staysByName: Bool?
        ) throws(TransferError) {
            guard names.count < TransferConstants.depthMax else { throw .tooDeep(directory.path) }
            let ruleCount = rules.count
            for (name, isOwn) in [(".gitignore", false), (".swarmletignore", true)] {
                if let read = try DirectoryScanner.readRules(directory, name) {
                    rules.append(Layer(rules: read, depth: prefix.count + names.count, isOwn: isOwn))
                }
            }
            for bytes in try directory.names() {
                let shown = String(decoding: bytes, as: UTF8.self)
                guard let status = try directory.status(shown) else {
                    // A name that is not UTF-8 cannot be looked up as text; any other that is gone was just removed.
                    if String(validating: bytes, as: UTF8.self) != nil { continue }
                    throw .nameNotText(directory.path(of: shown))
                }
                let item = Item(
                    directory: directory, name: shown, status: status, path: RelativePath.join(path, shown),
                    names: names + [bytes])
                let stays = staysByName ?? verdict(prefix + item.names, isDirectory: status.kind == .directory)
                switch (naming(item.path), stays) {
                case (.whole, _), (nil, nil): try take(item, staysByName: nil)
                case (.ancestor, _) where status.kind == .directory: try take(item, staysByName: stays)
                case (_, let isNeverSent?):
                    let byteCount = try size(directory, shown, status)
                    ignored.append(Ignored(path: item.path, byteCount: byteCount, isNeverSent: isNeverSent))
                case (.ancestor, nil): try take(item, staysByName: nil)
                }
            }
            rules.removeLast(rules.count - ruleCount)
        }

        /// One name of a directory.
        private struct Item {
            let directory: DirectoryHandle
            let name: String
            let status: FileStatus
            let path: String
            let names: [[UInt8]]
        }

        private mutating func take(_ item: Item, staysByName: Bool?) throws(TransferError) {
            let source = item.directory.path(of: item.name)
            guard String(validating: item.names.last ?? [], as: UTF8.self) != nil else { throw .nameNotText(source) }
            guard entries.count < TransferConstants.entryCountMax else { throw .tooManyEntries(entries.count + 1) }
            switch item.status.kind {
            case .directory:
                entries.append(Manifest.Entry(path: item.path, content: .directory))
                try visit(
                    item.directory.directory(item.name), path: item.path, names: item.names, staysByName: staysByName)
            case .symlink:
                let target = try item.directory.target(of: item.name)
                entries.append(Manifest.Entry(path: item.path, content: .symlink(target: target)))
            case .file:
                var offset: UInt64 = 0
                var isSecret = false
                let mayBeSecret = item.status.byteCount <= Self.secretBytesMax && naming(item.path) != .whole
                let file = try item.directory.file(item.name).chunks { digest, content throws(TransferError) in
                    if mayBeSecret, offset == 0, Self.secrets.contains(where: content.starts) { isSecret = true }
                    guard !isSecret else { return }
                    sources.add(digest, path: source, offset: offset, count: content.count)
                    offset += UInt64(content.count)
                    try store?.stage(content, as: digest)
                }
                if isSecret {
                    ignored.append(Ignored(path: item.path, byteCount: item.status.byteCount, isNeverSent: true))
                } else {
                    entries.append(Manifest.Entry(path: item.path, content: .file(file)))
                }
            case .special(let kind): throw .special(source, kind)
            }
        }

        /// How access tokens and invitations begin: whoever reads one can use it, and a job is not who it was given to.
        private static let secrets = [Array("swa1.".utf8), Array("swm1.".utf8)]
        private static let secretBytesMax: UInt64 = 64 << 10

        /// How a path stands to what the user named.
        private enum Naming {
            /// It was named, or lies in what was named.
            case whole
            /// It holds something that was named.
            case ancestor
        }

        private func naming(_ path: String) -> Naming? {
            if named.contains(where: { $0 == path || path.hasPrefix($0 + "/") }) { return .whole }
            return named.contains { $0.hasPrefix(path + "/") } ? .ancestor : nil
        }

        /// Nil for what travels; else whether it stays by its name alone.
        private func verdict(_ names: [[UInt8]], isDirectory: Bool) -> Bool? {
            let isNeverSent = IgnoreRules.neverSent.verdict(
                names: names[(names.count - 1)...], isDirectory: isDirectory)
            for layer in rules.reversed() {
                switch (layer.rules.verdict(names: names[layer.depth...], isDirectory: isDirectory), layer.isOwn) {
                case (.ignored, _): return isNeverSent == .ignored
                case (.included, true): return nil
                // To share a file with git is not to say that it may leave the host with a job.
                case (.included, false): return isNeverSent == .ignored ? true : nil
                case (nil, _): continue
                }
            }
            return isNeverSent == .ignored ? true : nil
        }

        /// Bytes of all files under an ignored name. What cannot be read counts nothing: it does not travel anyway.
        private mutating func size(
            _ directory: DirectoryHandle, _ name: String, _ status: FileStatus
        ) throws(TransferError) -> UInt64 {
            guard ignoredEntriesLeft > 0 else { return 0 }
            ignoredEntriesLeft -= 1
            guard status.kind == .directory else { return status.kind == .file ? status.byteCount : 0 }
            var total: UInt64 = 0
            do {
                let inner = try directory.directory(name)
                for bytes in try inner.names() {
                    let shown = String(decoding: bytes, as: UTF8.self)
                    guard let status = try inner.status(shown) else { continue }
                    total += try size(inner, shown, status)
                }
            } catch .unreadable, .notFound, .notDirectory {
                return total
            }
            return total
        }

        /// Throws for the first symbolic link that leads out of what travels.
        func checkLinks() throws(TransferError) {
            var links: [String: String] = [:]
            for entry in entries {
                if case .symlink(let target) = entry.content { links[entry.path] = target }
            }
            var scope = SymlinkScope(links: links)
            for entry in entries {
                guard case .symlink(let target) = entry.content else { continue }
                guard try scope.contains(path: entry.path, target: target) else {
                    throw .symlinkOut(path: entry.path, target: target)
                }
            }
        }
    }
}
