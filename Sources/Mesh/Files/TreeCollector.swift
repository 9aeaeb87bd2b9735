import Codec

/// Takes what a job has made: the files that patterns name, from a directory that the job can write to.
///
/// Blocking; it holds at most one chunk of content at a time. No symbolic link is followed and no pipe waited for, so a
/// job cannot have files of others collected. What cannot travel (links out of the collected tree, sockets, devices,
/// names that are not UTF-8) is left out and reported, for a result must not be lost by a stray socket beside it.
public struct TreeCollector {
    /// Something that matched and was left out.
    public struct Skipped: Hashable, Sendable {
        public let path: String
        /// In words.
        public let reason: String
    }

    /// What was collected.
    public struct Result: Sendable {
        public let manifest: Manifest
        public let skipped: [Skipped]
        /// The patterns that nothing fits.
        public let unmatched: [String]
    }

    private let patterns: [(text: String, glob: Glob)]
    private let invalid: [String]

    /// Patterns are anchored at the directory: `model.npz`, `result/*`, `**/*.log`, `/ckpt`. A directory that matches is
    /// taken whole. No pattern at all takes everything.
    public init(patterns: [String] = []) {
        var valid: [(String, Glob)] = []
        var invalid: [String] = []
        for text in patterns {
            let names = RelativePath.components(of: text).filter { $0 != "." }.joined(separator: "/")
            if let glob = Glob(names.utf8), Self.staysInside(names) {
                valid.append((text, glob))
            } else {
                invalid.append(text)
            }
        }
        self.patterns = valid
        self.invalid = invalid
    }

    private static func staysInside(_ path: String) -> Bool { !RelativePath.components(of: path).contains("..") }

    /// Puts the content of all files that match into the store (not committed) and lists them.
    ///
    /// Throws `notFound`, `unreadable`, `changed` (a file was written to meanwhile: collect again) and those of the store.
    public func collect(_ path: String, into store: BlobStore) throws(TransferError) -> Result {
        var walk = Walk(store: store, globs: patterns.map(\.glob))
        let takesAll = patterns.isEmpty && invalid.isEmpty
        try walk.visit(
            DirectoryHandle(path: path), path: "", progress: patterns.map(\.glob.start), isTaken: takesAll, depth: 0)
        let entries = walk.entriesWithoutEscapes()
        let unmatched = zip(patterns, walk.hasMatch).filter { !$0.1 }.map(\.0.text) + invalid
        return Result(manifest: try Manifest(entries: entries), skipped: walk.skipped, unmatched: unmatched)
    }
}

extension TreeCollector {
    /// The state of one collection.
    struct Walk {
        let store: BlobStore
        let globs: [Glob]
        var hasMatch: [Bool]
        var entries: [Manifest.Entry] = []
        var skipped: [Skipped] = []

        init(store: BlobStore, globs: [Glob]) {
            self.store = store
            self.globs = globs
            hasMatch = [Bool](repeating: false, count: globs.count)
        }

        /// Visits a directory; returns whether anything in it was taken.
        @discardableResult
        mutating func visit(
            _ directory: DirectoryHandle, path: String, progress: [Glob.Progress], isTaken: Bool, depth: Int
        ) throws(TransferError) -> Bool {
            guard depth < TransferConstants.depthMax else { throw .tooDeep(directory.path) }
            let entryCount = entries.count
            for bytes in try directory.names() {
                guard let name = String(validating: bytes, as: UTF8.self) else {
                    let shown = RelativePath.join(path, String(decoding: bytes, as: UTF8.self))
                    if isTaken { skipped.append(Skipped(path: shown, reason: "its name is not UTF-8")) }
                    continue
                }
                guard let status = try directory.status(name) else { continue }
                var next: [Glob.Progress] = []
                var isMatch = isTaken
                for (index, glob) in globs.enumerated() {
                    next.append(glob.advance(progress[index], name: bytes))
                    if next[index].isMatch {
                        hasMatch[index] = true
                        isMatch = true
                    }
                }
                let inner = RelativePath.join(path, name)
                guard entries.count < TransferConstants.entryCountMax else { throw .tooManyEntries(entries.count + 1) }
                if status.kind == .directory {
                    guard isMatch || next.contains(where: \.canContinue) else { continue }
                    // Stands before its content, and goes again when nothing in it matches.
                    entries.append(Manifest.Entry(path: inner, content: .directory))
                    let hasContent = try visit(
                        directory.directory(name), path: inner, progress: next, isTaken: isMatch, depth: depth + 1)
                    if !isMatch, !hasContent { entries.removeLast() }
                } else if isMatch {
                    try take(directory, name, status, inner)
                }
            }
            return entries.count > entryCount
        }

        private mutating func take(
            _ directory: DirectoryHandle, _ name: String, _ status: FileStatus, _ path: String
        ) throws(TransferError) {
            switch status.kind {
            case .directory: break
            case .special(let kind): skipped.append(Skipped(path: path, reason: "it is a \(kind)"))
            case .symlink:
                do {
                    entries.append(
                        Manifest.Entry(path: path, content: .symlink(target: try directory.target(of: name))))
                } catch .nameNotText {
                    skipped.append(Skipped(path: path, reason: "what it points to is not UTF-8"))
                }
            case .file where status.isNothingButHoles:
                skipped.append(Skipped(path: path, reason: "it is nearly all holes"))
            case .file:
                let file = try directory.file(name).chunks { digest, content throws(TransferError) in
                    try store.stage(content, as: digest)
                }
                entries.append(Manifest.Entry(path: path, content: .file(file)))
            }
        }

        /// The entries but for symbolic links that lead out of the collected tree, which are reported instead.
        mutating func entriesWithoutEscapes() -> [Manifest.Entry] {
            var links: [String: String] = [:]
            for entry in entries {
                if case .symlink(let target) = entry.content { links[entry.path] = target }
            }
            var scope = SymlinkScope(links: links)
            return entries.filter { entry in
                guard case .symlink(let target) = entry.content else { return true }
                do throws(TransferError) {
                    if try scope.contains(path: entry.path, target: target) { return true }
                    skipped.append(Skipped(path: entry.path, reason: "it is a symbolic link out of the directory"))
                } catch {
                    skipped.append(Skipped(path: entry.path, reason: error.message))
                }
                return false
            }
        }
    }
}
