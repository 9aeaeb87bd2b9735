import Codec

/// Why files could not be read, sent, kept or written.
///
/// Codes that begin with `files.` are about the files of the user, those with `mesh.transfer.` about what came from a
/// peer or lies in the store.
public enum TransferError: Error, Hashable, Sendable {
    // What a peer sent.
    /// Bytes that are no manifest or no message.
    case malformed(CodecError)
    /// A path that may not be in a manifest; the second value says why.
    case pathInvalid(String, String)
    /// Entries that are not sorted, or twice the same path.
    case outOfOrder(String)
    /// An entry whose parent is not a directory of the manifest.
    case parentMissing(String)
    /// A symbolic link of a manifest that leads out of its tree.
    case symlinkEscapes(path: String, target: String)
    /// The chunks of a file do not fit its size.
    case chunksMismatch(String)
    case tooManyEntries(Int)
    case tooManyBytes(UInt64)
    /// A message that does not fit the conversation.
    case unexpected(String)
    /// The peer gave up, for the reason it says.
    case refused(code: String, message: String)
    // The store.
    case blobMissing(Digest)
    /// The content does not have this digest.
    case blobDamaged(Digest)
    // The user's files.
    case notFound(String)
    case notDirectory(String)
    case unreadable(String, reason: String)
    case symlinkOut(path: String, target: String)
    /// A socket, pipe or device; the second value says which.
    case special(String, String)
    case nameNotText(String)
    case changed(String)
    case tooDeep(String)
    case ignoreFileTooLong(String)
    /// Something of another kind stands where an entry must be written.
    case inTheWay(String)
    /// The disk or its file system refused an operation.
    case disk(path: String, operation: String, reason: String)

    /// The stable name of the error.
    public var code: String {
        switch self {
        case .malformed: "mesh.transfer.malformed"
        case .pathInvalid: "mesh.transfer.path_invalid"
        case .outOfOrder: "mesh.transfer.out_of_order"
        case .parentMissing: "mesh.transfer.parent_missing"
        case .symlinkEscapes: "mesh.transfer.symlink_escapes"
        case .chunksMismatch: "mesh.transfer.chunks_mismatch"
        case .tooManyEntries: "mesh.transfer.too_many_entries"
        case .tooManyBytes: "mesh.transfer.too_many_bytes"
        case .unexpected: "mesh.transfer.unexpected"
        case .refused(let code, _): code
        case .blobMissing: "mesh.transfer.blob_missing"
        case .blobDamaged: "mesh.transfer.blob_damaged"
        case .notFound: "files.not_found"
        case .notDirectory: "files.not_directory"
        case .unreadable: "files.unreadable"
        case .symlinkOut: "files.symlink_out"
        case .special: "files.special"
        case .nameNotText: "files.name_not_text"
        case .changed: "files.changed"
        case .tooDeep: "files.too_deep"
        case .ignoreFileTooLong: "files.ignore_file_too_long"
        case .inTheWay: "files.in_the_way"
        case .disk: "files.disk"
        }
    }

    /// What is wrong, as a sentence for the user.
    public var message: String {
        switch self {
        case .malformed(let error): "the list of files cannot be read: \(error.message)"
        case .pathInvalid(let path, let why): "the list of files holds the path \(Self.quoted(path)): \(why)"
        case .outOfOrder(let path): "the list of files is not in order at \(Self.quoted(path))"
        case .parentMissing(let path): "the list of files holds \(Self.quoted(path)) without its directory"
        case .symlinkEscapes(let path, let target), .symlinkOut(let path, let target):
            "\(Self.quoted(path)) is a symbolic link out of the directory, to \(Self.quoted(target))"
        case .chunksMismatch(let path): "the chunks of \(Self.quoted(path)) do not fit its size"
        case .tooManyEntries(let count):
            "\(count) files and directories are more than the \(TransferConstants.entryCountMax) that can be sent"
        case .tooManyBytes(let count): "\(count) bytes are more than can be sent at once (16 TiB)"
        case .unexpected(let what): "the transfer broke off: \(what)"
        case .refused(_, let message): message
        case .blobMissing(let digest): "content \(digest.hex.prefix(12)) is not here"
        case .blobDamaged(let digest): "content \(digest.hex.prefix(12)) is damaged"
        case .notFound(let path): "\(Self.quoted(path)) does not exist"
        case .notDirectory(let path): "\(Self.quoted(path)) is not a directory"
        case .unreadable(let path, let reason): "\(Self.quoted(path)) cannot be read: \(reason)"
        case .special(let path, let kind): "\(Self.quoted(path)) is a \(kind), which cannot be sent"
        case .nameNotText(let path): "the name of \(Self.quoted(path)) is not UTF-8"
        case .changed(let path): "\(Self.quoted(path)) changed while it was read"
        case .tooDeep(let path): "\(Self.quoted(path)) lies more than \(TransferConstants.depthMax) directories deep"
        case .ignoreFileTooLong(let path): "\(Self.quoted(path)) is longer than 1 MiB"
        case .inTheWay(let path): "\(Self.quoted(path)) stands in the way of a file or directory of that name"
        case .disk(let path, let operation, let reason): "\(Self.quoted(path)): \(operation) failed: \(reason)"
        }
    }

    /// The way out.
    public var hint: String {
        switch self {
        case .malformed, .pathInvalid, .outOfOrder, .parentMissing, .symlinkEscapes, .chunksMismatch, .unexpected:
            "nothing was written; the sender may run another version: swarmlet version"
        case .tooManyEntries, .tooManyBytes: "name what need not travel in .swarmletignore"
        case .refused: "see the log of the other host"
        case .blobMissing: "send the files again"
        case .blobDamaged: "send the files again; if it stays, look at the disk: swarmlet doctor"
        case .notFound, .notDirectory: "check the path"
        case .unreadable(let path, _): "make it readable (chmod u+r), or name \(path) in .swarmletignore"
        case .symlinkOut(let path, _):
            "copy what it points to, make it a relative link inside, or name \(path) in .swarmletignore"
        case .special(let path, _), .nameNotText(let path), .tooDeep(let path):
            "move it away, or name \(path) in .swarmletignore"
        case .changed: "run it again when nothing writes to the file"
        case .ignoreFileTooLong: "use patterns instead of single names"
        case .inTheWay: "move it away, or write to another directory"
        case .disk: "look at the free space and the health of the disk: df -h, swarmlet doctor"
        }
    }

    /// A name from a peer, shortened and without control characters, so that it cannot forge lines on a terminal.
    static func quoted(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(200).map { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: Character("?")
            default: Character(scalar)
            }
        }
        return String(shown)
    }
}
