/// Everything that is done to keep one attempt apart from its host, in the order in which it is done.
///
/// A plan is a value: it can be looked at, compared and tested without a host. `PreparedSandbox` gives it to the code
/// between clone and exec, which carries it out and decides nothing.
struct SandboxPlan: Hashable, Sendable {
    /// One thing that is put into the tree that the attempt sees.
    enum Step: Hashable, Sendable {
        case tree(source: String, target: String, TreeRights)
        case memory(target: String, options: String)
        /// Its own processes, and where `hidesOthers` only those of its user.
        case processes(hidesOthers: Bool)
        case terminals
        case link(target: String, to: String)
        case file(target: String, content: String)
        case directory(String)
        case readOnly(String)
        /// Covered, if it is there.
        case hide(String)

        var target: String {
            switch self {
            case .tree(_, let target, _), .memory(let target, _), .link(let target, _), .file(let target, _): target
            case .directory(let target), .readOnly(let target), .hide(let target): target
            case .processes: "/proc"
            case .terminals: "/dev/pts"
            }
        }
    }

    struct TreeRights: OptionSet, Hashable, Sendable {
        let rawValue: UInt32
        static let writable = TreeRights(rawValue: 1)
        static let optional = TreeRights(rawValue: 2)
        static let devices = TreeRights(rawValue: 4)
        /// Looked up with the rights of the attempt's user: it sees no more by it than it could have seen.
        static let asUser = TreeRights(rawValue: 8)
    }

    enum Root: Hashable, Sendable {
        /// The host's, read-only with everything mounted in it.
        case host
        /// Empty, in memory; the host's is let go of.
        case own(options: String)
    }

    struct FileRule: Hashable, Sendable {
        var path: String
        var access: FileAccess
    }

    /// One of setrlimit(2), soft and hard.
    enum Limit: Hashable, Sendable {
        case coreBytes(UInt64)
        case processes(UInt64)
        case openFiles(UInt64)
        case lockedBytes(UInt64)
    }

    /// Which system calls it may use (`clinux_filter_program`).
    enum Filter: Hashable, Sendable {
        case strict
        case standard
    }

    var root: Root
    var steps: [Step]
    /// So many of them, the first ones, do not depend on the attempt: they can be done before there is one.
    var commonCount: Int
    /// The user namespace knows the attempt's user and nobody else.
    var hasSingleUser: Bool
    /// With nothing in it but a loopback.
    var hasOwnNetwork: Bool
    /// What it reaches of other networks it reaches until the end of the setup command.
    var hasNetworkForSetup: Bool
    /// On 127.0.0.1 of its own network; nil: there is none.
    var proxyPort: UInt16?
    /// nil: that of the host.
    var hostName: String?
    /// Empty: Landlock is not asked.
    var rules: [FileRule]
    var handledAccess: FileAccess
    var scopes: UInt64
    var limits: [Limit]
    var filter: Filter
}
