import CLinux
import GPUBackend
import Glibc

/// Another program in the place of this one: the same process, its jobs under their supervisors meanwhile.
extension Daemon {
    /// Ends everything as SIGTERM does, then goes on as that program.
    func restart(into program: String) {
        log.note("goes on as \(program)")
        nextProgram = program
        kill(getpid(), SIGTERM)
    }

    /// A person who reads the log sees which program wrote it, and by whose word.
    func sayProgram() {
        do {
            guard let membership = try MeshMembership.read(directory) else { return }
            let mesh = membership.meshKey.id.text
            ProgramCheck(directory: directory, running: host.program.digest, mesh: mesh).say(to: log)
        } catch {
            log.warning("who signed this program is not known: \(APIFailure(error).message)")
        }
    }

    /// Returns when this daemon is to end.
    func waitForEnd() async throws {
        try await loop.readable(signals)
        guard nextProgram != nil else { return }
        // A signal that nobody has taken waits for the next program, too.
        var taken = [UInt8](repeating: 0, count: MemoryLayout<signalfd_siginfo>.size)
        while read(signals, &taken, taken.count) > 0 {}
    }

    /// Returns only where neither that program nor this one can be executed once more. Its flags are in the data directory.
    func goOn(as program: String) -> HostError {
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        var words = ["swarmlet", "daemon", "--data-dir", directory.path]
        do throws(HostError) {
            // As its stdin: a word on the command line or in the environment could be read by others.
            if let keys = try KeyHandover.pipe(identity.lock) {
                guard dup2(keys, STDIN_FILENO) >= 0 else {
                    throw HostError.system(operation: "dup2", path: "", errorNumber: errno)
                }
                words += KeyHandover.words
            }
        } catch {
            return error
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        execv(program, arguments)
        let number = errno
        log.warning("cannot execute \(program): \(String(cString: strerror(number)))")
        execv(Executable.reference, arguments)
        return .system(operation: "execute", path: program, errorNumber: number)
    }
}
