import GPUBackend
import Glibc

/// The users of this host.
enum Accounts {
    static func user(named name: String) -> JobUser? {
        guard let entry = AccountEntry(named: name) else { return nil }
        var count: Int32 = 64
        var groups = [gid_t](repeating: 0, count: Int(count))
        if getgrouplist(name, entry.group, &groups, &count) < 0 {
            groups = [gid_t](repeating: 0, count: Int(count))
            guard getgrouplist(name, entry.group, &groups, &count) >= 0 else { return nil }
        }
        return JobUser(
            user: entry.user, group: entry.group, groups: Array(groups.prefix(Int(count))))
    }

    static func name(of user: uid_t) -> String? { AccountEntry(of: user)?.name }

    /// The user's name, or the number of one that has none.
    static func text(_ user: uid_t) -> String { name(of: user) ?? "user \(user)" }

    /// The user's home directory, if there is one.
    static func home(of user: uid_t) -> String? {
        guard let path = AccountEntry(of: user)?.home, path.hasPrefix("/") else {
            return nil
        }
        var facts = stat()
        guard stat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else { return nil }
        return path
    }

    /// Whether the user is in a group of this host by this name.
    static func isMember(_ user: uid_t, ofGroup name: String) -> Bool {
        guard let group = getgrnam(name), let account = Accounts.name(of: user).flatMap(Accounts.user(named:)) else {
            return false
        }
        return account.groups.contains(group.pointee.gr_gid)
    }

    static func groupExists(_ name: String) -> Bool { getgrnam(name) != nil }
}
