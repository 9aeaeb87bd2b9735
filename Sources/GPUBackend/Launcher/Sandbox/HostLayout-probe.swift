import CLinux
import Glibc

extension HostLayout {
    /// This host, looked at once.
    static let here = probe()

    /// Looks at this host.
    static func probe() -> HostLayout {
        var layout = HostLayout(landlockVersion: Int(clinux_landlock_version()), entries: [:])
        for path in asked { layout.entries[path] = entry(path) }
        return layout
    }

    /// Nil for what is not there; what this process may not look at it could not take along for a job either.
    private static func entry(_ path: String) -> Entry? {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return nil }
        switch facts.st_mode & S_IFMT {
        case S_IFDIR: return .directory
        case S_IFLNK:
            var text = [CChar](repeating: 0, count: 4096)
            let length = readlink(path, &text, text.count)
            guard length > 0, length < text.count else { return nil }
            return .link(String(decoding: text[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self))
        default: return .file
        }
    }
}
