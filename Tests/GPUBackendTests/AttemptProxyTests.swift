import CLinux
import Codec
import Glibc
import Testing

@testable import GPUBackend

@Suite("The proxy of an attempt")
struct AttemptProxyTests {
    @Test("it reads what the look-up of a name needs and no other file, and writes none")
    func confinement() async {
        await #expect(processExitsWith: .success) {
            /// The number of the error, 0 where it opens.
            func error(_ path: String, _ flags: Int32) -> Int32 {
                let file = open(path, flags | O_CLOEXEC, 0o600)
                guard file < 0 else {
                    close(file)
                    return 0
                }
                return errno
            }
            let own = "/var/tmp/swarmlet-proxy-\(getpid())"
            #expect(error(own, O_CREAT | O_RDWR) == 0)
            try AttemptProxy.confine()
            let seen = (error("/etc/passwd", O_RDONLY), error("/proc/self/status", O_RDONLY), error(own, O_RDONLY))
            let made = (error(own, O_WRONLY), error("\(own)-2", O_CREAT | O_RDWR), error("/etc/passwd", O_RDWR))
            #expect(unlink(own) == -1 && errno == EACCES)
            #expect(seen == (0, 0, EACCES))
            #expect(made == (EACCES, EACCES, EACCES))
        }
    }

    @Test("one that fails again and again is started ever later, one that ran well at once again")
    func restarts() {
        var pause = RestartPause()
        var now = Instant.zero + .seconds(100)
        var pauses: [Int64] = []
        for running in [0, 0, 0, 10, 0] + [Int64](repeating: 0, count: 9) {
            now = now + .seconds(running)
            pause.begin(after: .seconds(running), at: now)
            pauses.append((pause.end - now).milliseconds)
            now = pause.end
        }
        #expect(pauses == [100, 200, 400, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000])
    }
}
