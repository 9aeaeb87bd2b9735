import Glibc

/// The files of one log: `path` holds the beginning; `path.N` goes on after N bytes of output.
///
/// When the log outgrows its bound, segments between the first and the newest ones are deleted; the names of those that
/// are left say exactly how much output is missing between them.
struct LogSegments {
    static let segmentBytes = 256 << 20
    /// The first segment and the newest three: 1 GiB.
    static let keptAfterFirst = 3

    /// How many bytes of output came before this segment, and its file.
    struct Segment: Hashable {
        let start: UInt64
        let path: String
    }

    let path: String

    func path(start: UInt64) -> String { start == 0 ? path : "\(path).\(start)" }

    /// What is there now, ascending.
    func list() throws(HostError) -> [Segment] {
        guard let slash = path.lastIndex(of: "/") else { return [] }
        let directory = String(path[..<slash])
        let prefix = path[path.index(after: slash)...] + "."
        guard HostFiles.exists(directory) else { return [] }
        var found: [Segment] = HostFiles.exists(path) ? [Segment(start: 0, path: path)] : []
        for name in try HostFiles.names(in: directory) where name.hasPrefix(prefix) {
            guard let start = UInt64(name.dropFirst(prefix.count)), start > 0 else { continue }
            found.append(Segment(start: start, path: "\(directory)/\(name)"))
        }
        return found.sorted { $0.start < $1.start }
    }
}
