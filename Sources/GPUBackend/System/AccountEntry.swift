import Glibc

/// One user in the host's list, looked up so that several threads may do it at once: the answers of `getpwnam` and
/// `getpwuid` lie in one place for all, and what is read there decides whom a job runs as.
public struct AccountEntry: Hashable, Sendable {
    public let name: String
    public let user: uid_t
    public let group: gid_t
    /// As the list has it; it may not be there.
    public let home: String

    private static let textBytes = 65_536

    /// Nil where the host has no such user.
    public init?(named name: String) {
        self.init { getpwnam_r(name, $0, $1, AccountEntry.textBytes, $2) }
    }

    /// Nil where the host has no name for it.
    public init?(of user: uid_t) {
        self.init { getpwuid_r(user, $0, $1, AccountEntry.textBytes, $2) }
    }

    private init?(
        _ look: (
            UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>,
            UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
        ) -> Int32
    ) {
        let texts = UnsafeMutablePointer<CChar>.allocate(capacity: AccountEntry.textBytes)
        defer { texts.deallocate() }
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        guard look(&entry, texts, &found) == 0, found != nil, let name = entry.pw_name else { return nil }
        self.name = String(cString: name)
        user = entry.pw_uid
        group = entry.pw_gid
        home = entry.pw_dir.map { String(cString: $0) } ?? ""
    }
}
