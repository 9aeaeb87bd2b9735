import Codec
import Scheduler

/// What the owner of a host lets jobs do on it, whoever sends them. It decides about paths as they are written: that no
/// link is in them is for the caller to see to.
public struct HostPolicy: Hashable, Sendable {
    /// A part of the host's tree that jobs may mount.
    public struct AllowedMount: Hashable, Sendable {
        public var path: String
        public var isWritable: Bool

        /// From `PATH` or `PATH:rw`; nil for what is neither.
        public init?(_ text: String) {
            let isWritable = text.hasSuffix(":rw")
            let path = isWritable ? String(text.dropLast(3)) : text
            guard let plain = HostPolicy.plain(path) else { return nil }
            self.path = plain
            self.isWritable = isWritable
        }

        public var text: String { isWritable ? path + ":rw" : path }
    }

    /// Jobs that are kept apart less than this are refused.
    public var leastProfile: SandboxProfile
    public var mounts: [AllowedMount]

    public init(leastProfile: SandboxProfile = .none, mounts: [AllowedMount] = []) {
        self.leastProfile = leastProfile
        self.mounts = mounts
    }

    /// Why a job may not have this mount here; nil where it may.
    /// - Parameter hidden: what no job may see, whatever is allowed beside it.
    public func refusal(of mount: MountRequest, hidden: [String]) -> String? {
        guard let source = HostPolicy.plain(mount.source) else { return "it is no absolute path" }
        if hidden.contains(where: { HostPolicy.holds($0, source) || HostPolicy.holds(source, $0) }) {
            return "what belongs to the daemon or to other jobs is in it"
        }
        let allowed = mounts.filter { HostPolicy.holds($0.path, source) }
        if mount.isWritable, !allowed.contains(where: \.isWritable), !allowed.isEmpty {
            return "the owner of the host lets jobs read it only"
        }
        guard allowed.isEmpty else { return nil }
        guard !mounts.isEmpty else { return "the owner of the host lets jobs mount nothing" }
        return "the owner of the host lets jobs mount " + mounts.map(\.text).joined(separator: ", ")
    }

    /// An absolute path without `.`, `..` and empty parts; nil for one that has to be guessed at.
    public static func plain(_ path: String) -> String? {
        guard path.utf8.first == UInt8(ascii: "/"), !path.utf8.contains(0), path.utf8.count < 4_096 else { return nil }
        let parts = path.split(separator: "/")
        guard !parts.contains(".."), !parts.contains(".") else { return nil }
        return "/" + parts.joined(separator: "/")
    }

    /// Whether `path` is `directory` or below it.
    static func holds(_ directory: String, _ path: String) -> Bool {
        directory == "/" || path == directory || path.hasPrefix(directory + "/")
    }
}
