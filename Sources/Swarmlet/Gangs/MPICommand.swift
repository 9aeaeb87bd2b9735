import CLinux
import Codec
import GPUBackend
import Glibc
import Node

/// `swarmlet mpi`: the command of every rank of `run --mpi`. On the gang's first host it runs `mpirun`, told who the hosts
/// are and how to reach them; on the others it keeps the place in which `mpirun` starts its processes.
enum MPICommand {
    static let declaration = Command(
        "mpi", summary: "Be a host of an MPI program, inside of a gang",
        operands: .jobCommand,
        flags: [Flag("slots", .count(placeholder: "N", 1...1024), "processes on each host (default 1)")],
        details: ["Started by a run with --mpi, on each of its hosts."],
        examples: [.init("swarmlet mpi --slots 4 -- ./solve", "as run --mpi starts it")],
        visibility: .hidden, run: run)

    private static let endings = [SIGTERM, SIGINT, SIGHUP]

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard let rank = Environment.value("NODE_RANK"), let file = Environment.value("SWARMLET_HOSTFILE") else {
            throw .conflict(
                message: "this is no rank of a gang: NODE_RANK and SWARMLET_HOSTFILE are not there",
                hint: "start one: swarmlet run --nodes 2 --mpi -- COMMAND")
        }
        guard rank == "0" else {
            // The processes of the program here may want to end well before the grace time is over.
            for number in endings { signal(number, SIG_IGN) }
            try RankDoor.wait(.waitForFirst)
            return ExitCode.success
        }
        let text = String(decoding: try ReadFile.whole(file, limitBytes: 1 << 20), as: UTF8.self)
        let hosts = text.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) }
        let launch = MPILaunch(
            hosts: hosts, slots: Int(clamping: invocation.count("slots") ?? 1), program: invocation.operands,
            folder: Environment.value("TMPDIR") ?? "/tmp", interface: Environment.value("GLOO_SOCKET_IFNAME"))
        for file in launch.files { try write(file.content, to: file.path) }
        // What the user has set may be better.
        for (name, value) in launch.variables { setenv(name, value, 0) }
        for name in RankAgent.ownNames { unsetenv(name) }
        let code = follow(try start(launch.arguments))
        if code != 0, !isAskedToEnd { tellFailure(terminal) }
        return code
    }

    private static func write(_ text: String, to path: String) throws(CommandError) {
        do throws(HostError) { try HostFiles.replace(path, with: Array(text.utf8)) } catch {
            throw .localFile(path: path, reason: error.message)
        }
    }

    private static func start(_ arguments: [String]) throws(CommandError) -> pid_t {
        // What ends the rank is sent to all of its processes, so `mpirun` hears of it by itself.
        var (none, ending) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigemptyset(&ending)
        for number in endings { sigaddset(&ending, number) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        sigprocmask(SIG_BLOCK, &ending, nil)
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process: pid_t = 0
        let number = posix_spawnp(&process, arguments[0], nil, &attributes, &pointers, environ)
        guard number == 0 else {
            throw .refused(
                APIFailure(
                    code: "job.mpi_missing", message: "\(arguments[0]) cannot be run here: \(SystemError.text(number))",
                    hint: "install an MPI on each host (openmpi-bin, mpich), or bring it: --image, --setup",
                    exitCode: number == ENOENT ? 127 : 126))
        }
        return process
    }

    /// Its exit code, once it has ended.
    private static func follow(_ process: pid_t) -> Int32 {
        var (status, value): (Int32, Int32) = (0, 0)
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        return clinux_wait_status(status, &value) == 1 ? value : 128 + value
    }

    private static var isAskedToEnd: Bool {
        var pending = sigset_t()
        sigpending(&pending)
        return endings.contains { sigismember(&pending, $0) == 1 }
    }

    /// A launcher that stays with its agents (Hydra, and that of Open MPI 5) fails where a daemon is replaced, on any host:
    /// then this rank does not end by its failure, but with the gang, which begins anew.
    private static func tellFailure(_ terminal: Terminal) {
        do throws(CommandError) { try RankDoor.wait(.hasFailed) } catch {
            // It ends with the others meanwhile.
            if case .refused(let failure) = error, failure.code == "job.gang.over" { return }
            terminal.report(error)
        }
    }
}
