import CLinux
import Glibc

/// Signals taken as events of a poll loop instead of interrupting whatever runs.
///
/// Confined to the main thread, the only one the command line has.
final class Signals {
    /// Readable when a signal waits.
    let descriptor: Int32

    /// Takes over the signals for the rest of the process.
    init(_ numbers: [Int32]) throws(CommandError) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        sigprocmask(SIG_BLOCK, &set, nil)
        descriptor = signalfd(-1, &set, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK))
        guard descriptor >= 0 else { throw .localFile(path: "signalfd", reason: SystemError.text(errno)) }
    }

    deinit { close(descriptor) }

    /// The next signal that waits; nil when none does.
    func next() -> Int32? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard read(descriptor, &information, size) == size else { return nil }
        return Int32(information.ssi_signo)
    }
}
