/// The numbers of file transfer. They are choices of this project; each line says why.
public enum TransferConstants {
    /// Files are cut into chunks of this many bytes (the last is shorter): large enough that a checkpoint of 10 GiB has a
    /// short list, small enough that a changed tensor does not move the whole file.
    public static let chunkBytes = 4 << 20
    /// Content of one `TransferMessage.chunk`: a heartbeat on the same stream never waits long behind it.
    public static let messageChunkBytesMax = 1 << 20
    /// Entries of one manifest: several times the largest source tree that people send.
    public static let entryCountMax = 200_000
    /// Bytes of all files of one manifest.
    public static let contentBytesMax: UInt64 = 16 << 40
    /// Encoded bytes of one manifest: paths of 100 bytes for every entry, and the digests of 8 TiB beside them.
    public static let manifestBytesMax = 96 << 20
    /// Encoded bytes of one message: a manifest or a list of digests, with its frame.
    public static let messageBytesMax = manifestBytesMax + 1024
    /// Digests of one message: the chunks of 4 TiB.
    public static let digestCountMax = 1 << 20
    /// Longest path below the root (Linux PATH_MAX without its NUL).
    public static let pathBytesMax = 4_095
    /// Longest name (Linux NAME_MAX).
    public static let nameBytesMax = 255
    /// How deep directories may be nested: far beyond real trees, far below the open files of a process.
    public static let depthMax = 128
    /// Symbolic links followed for one path, as in Linux (MAXSYMLINKS).
    public static let symlinkHopsMax = 40
    /// Path components looked at while all links of a manifest are followed; entangled links are refused beyond it.
    public static let symlinkStepsMax = 1_000_000
    /// Blobs that a store stages before it commits by itself.
    public static let stagedBlobsMax = 1_024
    /// Entries looked at to learn the size of what is ignored; beyond it sizes are lower bounds.
    public static let ignoredEntriesMax = 500_000
    /// Longest ignore file, in bytes; a longer one is refused.
    public static let ignoreFileBytesMax = 1 << 20
}
