import CLinux
import Glibc

/// A directory of our own that is gone, with everything in it, when it is removed.
struct TemporaryDirectory {
    let path: String

    /// Makes `PREFIX` and six random characters, closed to others.
    init(prefix: String) throws(CommandError) {
        var template = Array((prefix + "XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw .localFile(path: prefix + "*", reason: SystemError.text(errno)) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes it; what cannot be removed stays, and its name says whose it was.
    func remove() { _ = swarmlet_remove_tree(path) }
}
