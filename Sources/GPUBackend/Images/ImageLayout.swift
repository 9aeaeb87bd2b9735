import Glibc

/// What an image has where a plan has to know it: at its top and in its `/etc`.
struct ImageLayout: Hashable, Sendable {
    /// By name, ascending.
    var top: [String: HostLayout.Entry] = [:]
    var settings: [String: HostLayout.Entry] = [:]
    /// It has a directory `/var/tmp`.
    var hasTemporary = false

    /// More at its top or in its `/etc` is no image.
    static let namesMax = 2_048

    /// Looks at it without following links in it.
    static func probe(_ path: String) throws(HostError) -> ImageLayout {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let root = try HostFiles.open(path, flags)
        defer { close(root) }
        var layout = ImageLayout(top: try entries(of: root, path))
        var facts = stat()
        layout.hasTemporary =
            layout.top["var"] == .directory && fstatat(root, "var/tmp", &facts, AT_SYMLINK_NOFOLLOW) == 0
            && facts.st_mode & S_IFMT == S_IFDIR
        let etc = openat(root, "etc", flags)
        guard etc >= 0 else { return layout }
        defer { close(etc) }
        layout.settings = try entries(of: etc, path + "/etc")
        return layout
    }

    private static func entries(of directory: Int32, _ path: String) throws(HostError) -> [String: HostLayout.Entry] {
        let names = try HostFiles.names(of: directory, path)
        guard names.count <= namesMax else { throw .system(operation: "read", path: path, errorNumber: EFBIG) }
        var entries: [String: HostLayout.Entry] = [:]
        for name in names {
            var facts = stat()
            guard fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            switch facts.st_mode & S_IFMT {
            case S_IFDIR: entries[HostFiles.text(name)] = .directory
            case S_IFREG: entries[HostFiles.text(name)] = .file
            case S_IFLNK:
                var text = [CChar](repeating: 0, count: 4_096)
                let length = readlinkat(directory, name, &text, text.count - 1)
                guard length > 0 else { continue }
                let bytes = text[..<length].map(UInt8.init(bitPattern:))
                entries[HostFiles.text(name)] = .link(String(decoding: bytes, as: UTF8.self))
            // A device in an image is nobody's.
            default: continue
            }
        }
        return entries
    }
}
