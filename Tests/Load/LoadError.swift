import Glibc

/// Why a client could not go on.
enum LoadError: Error, CustomStringConvertible {
    /// What failed, and errno.
    case system(String, Int32)
    case unreadable(String)
    /// The daemon refused.
    case refused(String)

    var description: String {
        switch self {
        case .system(let what, let number): "\(what): \(String(cString: strerror(number)))"
        case .unreadable(let what): "an answer that cannot be read: \(what)"
        case .refused(let what): "refused: \(what)"
        }
    }
}
