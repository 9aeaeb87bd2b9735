import CLinux
import Codec
import Glibc
import Node
import Tokens

/// Starts the daemon of a data directory in the background and waits until it answers.
struct DaemonStarter {
    private let directory: DataDirectory

    private let program: String

    /// What opens the keys of the host where they are locked.
    enum Keys {
        /// The daemon finds it itself, or needs nothing.
        case unsaid
        /// Asked for only where a daemon has to be started.
        case passphrase(() throws(CommandError) -> Passphrase?)
        /// What another daemon left there to be read.
        case descriptor(Int32)
    }

    /// - Parameter program: what is to be started; this one, if nothing is said.
    init(_ directory: DataDirectory, program: String = "/proc/self/exe") {
        self.directory = directory
        self.program = program
    }

    /// Returns when a daemon answers on the socket, one that ran already or a new one with these flags.
    func ensureRunning(_ flags: [String], _ terminal: Terminal, keys: Keys = .unsaid) throws(CommandError) {
        guard try !answers() else { return }
        _ = try start(flags, terminal, keys: keys)
    }

    /// Starts a daemon and returns its process when it answers.
    func start(_ flags: [String], _ terminal: Terminal, keys: Keys = .unsaid) throws(CommandError) -> pid_t {
        do { try directory.prepare() } catch { throw .refused(APIFailure(error)) }
        let logLength = lengthOfLog()
        let child = try spawn(flags, keys)
        terminal.progress("starting the daemon")
        defer { terminal.clearProgress() }
        let patience = directory.startPatience
        let deadline = Clock.sinceBoot() + patience
        while try !answers() {
            var status: Int32 = 0
            if waitpid(child, &status, WNOHANG) == child {
                // Another `up` may have been faster: then its daemon holds the directory, and ours was right to go.
                guard try answersSoon() else { throw failure(since: logLength) }
                return child
            }
            guard Clock.sinceBoot() < deadline else {
                throw .daemonNotStarted(
                    reason: "it does not answer after \(patience.milliseconds / 1_000) s", log: directory.daemonLog)
            }
            pause()
        }
        return child
    }

    private func answersSoon() throws(CommandError) -> Bool {
        let deadline = Clock.sinceBoot() + Interval(nanoseconds: 500_000_000)
        while Clock.sinceBoot() < deadline {
            if try answers() { return true }
            pause()
        }
        return false
    }

    private func answers() throws(CommandError) -> Bool {
        do throws(CommandError) {
            _ = try LocalClient.call(.version, directory)
            return true
        } catch {
            switch error {
            case .daemonUnreachable, .connectionLost: return false
            default: throw error
            }
        }
    }

    private func pause() {
        _ = LocalClient.wait(for: nil, signals: nil, until: Clock.sinceBoot() + Interval(nanoseconds: 5_000_000))
    }

    /// A session of its own: the daemon outlives the terminal, and Ctrl-C there is not for it.
    private func spawn(_ flags: [String], _ keys: Keys) throws(CommandError) -> pid_t {
        switch keys {
        case .unsaid: return try spawn(flags, input: -1)
        case .descriptor(let input): return try spawn(flags + KeyHandover.words, input: input)
        case .passphrase(let asked):
            guard let passphrase = try asked() else { return try spawn(flags, input: -1) }
            let input: Int32
            do { input = try KeyHandover.pipe(passphrase) } catch { throw .refused(APIFailure(error)) }
            defer { close(input) }
            return try spawn(flags + KeyHandover.words, input: input)
        }
    }

    private func spawn(_ flags: [String], input: Int32) throws(CommandError) -> pid_t {
        let words = ["swarmlet", "daemon", "--data-dir", directory.path] + flags
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let result = swarmlet_spawn_detached(program, arguments, input, directory.daemonLog, &child)
        guard result == 0 else {
            throw .daemonNotStarted(reason: SystemError.text(result), log: directory.daemonLog)
        }
        return child
    }

    private func lengthOfLog() -> Int {
        var information = stat()
        return stat(directory.daemonLog, &information) == 0 ? Int(information.st_size) : 0
    }

    /// A daemon that gives up says why in two lines, as every command does: those are the error.
    private func failure(since offset: Int) -> CommandError {
        let prefix = "swarmlet: "
        let unknown = CommandError.daemonNotStarted(reason: "it ended at once", log: directory.daemonLog)
        let bytes: [UInt8]
        do throws(CommandError) { bytes = try ReadFile.whole(directory.daemonLog, limitBytes: 64 << 20) } catch {
            return unknown
        }
        let lines = String(decoding: bytes.dropFirst(offset), as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
        guard let index = lines.lastIndex(where: { $0.hasSuffix("]") }), index + 1 < lines.count,
            let bracket = lines[index].lastIndex(of: "[")
        else { return unknown }
        let message = lines[index][..<bracket].dropLast()
        let code = lines[index][bracket...].dropFirst().dropLast()
        return .refused(APIFailure(code: String(code), message: String(message), hint: String(lines[index + 1])))
    }
}
