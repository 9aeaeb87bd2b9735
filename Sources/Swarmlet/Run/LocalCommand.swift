import Glibc
import Node

/// Where a command is on this host, for a job whose host has not got it.
enum LocalCommand {
    /// `failure` with that place in its hint, where the command was not found there and is found in the PATH here.
    static func explained(_ failure: APIFailure, command: String) -> APIFailure {
        guard failure.code == "job.command_not_found", let path = path(of: command) else { return failure }
        var explained = failure
        explained.hint = "here it is \(path), which is not sent; \(failure.hint)"
        return explained
    }

    /// As the shell would find it, `~` for the home directory.
    private static func path(of command: String) -> String? {
        guard !command.contains("/"), let search = Environment.value("PATH") else { return nil }
        for directory in search.split(separator: ":") {
            let path = "\(directory)/\(command)"
            var facts = stat()
            guard stat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG, access(path, X_OK) == 0 else { continue }
            guard let home = Environment.value("HOME"), path.hasPrefix(home + "/") else { return path }
            return "~" + path.dropFirst(home.count)
        }
        return nil
    }
}
