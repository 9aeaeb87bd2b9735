/// What a directory listing says about one file.
public struct FileFacts: Hashable, Sendable {
    /// Relative to the directory looked at.
    public var path: String
    public var size: UInt64
    /// Nanoseconds since the Unix epoch, as the file system says.
    public var modifiedAt: Int64
    public var inode: UInt64

    public init(path: String, size: UInt64, modifiedAt: Int64, inode: UInt64) {
        self.path = path
        self.size = size
        self.modifiedAt = modifiedAt
        self.inode = inode
    }
}
