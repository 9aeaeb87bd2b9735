/// Files that together are one checkpoint.
public struct CheckpointSet: Hashable, Sendable {
    /// Sorted by path.
    public let files: [FileFacts]

    init(_ files: [FileFacts]) { self.files = files.sorted { $0.path < $1.path } }

    public var bytes: UInt64 { files.reduce(0) { $0 + $1.size } }

    /// Whether every file is still there, unchanged: asked again after the files were read.
    public func isUnchanged(in listing: [FileFacts]) -> Bool {
        let found = Set(listing)
        return files.allSatisfy(found.contains)
    }
}
