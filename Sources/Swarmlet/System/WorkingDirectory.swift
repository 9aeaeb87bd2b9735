import Glibc

/// The directory a command was typed in.
enum WorkingDirectory {
    static func path() throws(CommandError) -> String {
        guard let buffer = getcwd(nil, 0) else {
            throw .localFile(path: "the working directory", reason: SystemError.text(errno))
        }
        defer { free(buffer) }
        return String(cString: buffer)
    }

    static func absolute(_ path: String) throws(CommandError) -> String {
        guard !path.hasPrefix("/") else { return path }
        return try self.path() + "/" + path
    }

    /// `~/project` for what lies in the home directory.
    static func short(_ path: String) -> String {
        guard let home = Environment.value("HOME"), home != "/", path == home || path.hasPrefix(home + "/") else {
            return path
        }
        return "~" + path.dropFirst(home.count)
    }
}
