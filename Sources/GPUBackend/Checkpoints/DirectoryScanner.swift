import Glibc

/// Lists the regular files below a directory, within bounds; links are not followed.
public enum DirectoryScanner {
    /// More files than this are not a checkpoint.
    public static let fileMaximum = 10_000
    private static let depthMaximum = 16

    /// Paths are relative to `directory`, in the order of their names. A directory that is not there is empty.
    public static func list(_ directory: String) throws(HostError) -> [FileFacts] {
        var found: [FileFacts] = []
        guard HostFiles.exists(directory) else { return [] }
        try list(directory, prefix: "", depth: 0, into: &found)
        return found
    }

    private static func list(
        _ directory: String, prefix: String, depth: Int, into found: inout [FileFacts]
    ) throws(HostError) {
        let names: [String]
        do throws(HostError) { names = try HostFiles.names(in: directory) } catch {
            // It went while we looked, or is not ours to see: the next look tells.
            return
        }
        for name in names {
            var facts = stat()
            guard lstat("\(directory)/\(name)", &facts) == 0 else { continue }
            switch facts.st_mode & S_IFMT {
            case S_IFREG:
                guard found.count < fileMaximum else {
                    throw .system(operation: "list", path: directory, errorNumber: EFBIG)
                }
                let modified = Int64(facts.st_mtim.tv_sec) * 1_000_000_000 + Int64(facts.st_mtim.tv_nsec)
                found.append(
                    FileFacts(
                        path: prefix + name, size: UInt64(facts.st_size), modifiedAt: modified,
                        inode: UInt64(facts.st_ino)))
            case S_IFDIR where depth < depthMaximum:
                try list("\(directory)/\(name)", prefix: "\(prefix)\(name)/", depth: depth + 1, into: &found)
            default: continue
            }
        }
    }
}
