import Codec
import GPUBackend
import Glibc
import Node

/// `swarmlet mpi`: the command of every rank of `run --mpi`. On the gang's first host it turns into `mpirun`, told who the
/// hosts are and how to reach them; on the others it keeps the place in which `mpirun` starts its processes.
enum MPICommand {
    static let declaration = Command(
        "mpi", summary: "Be a host of an MPI program, inside of a gang",
        operands: .jobCommand,
        flags: [Flag("slots", .count(placeholder: "N", 1...1024), "processes on each host (default 1)")],
        details: ["Started by a run with --mpi, on each of its hosts."],
        examples: [.init("swarmlet mpi --slots 4 -- ./solve", "as run --mpi starts it")],
        visibility: .hidden, run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        guard let rank = Environment.value("NODE_RANK"), let file = Environment.value("SWARMLET_HOSTFILE") else {
            throw .conflict(
                message: "this is no rank of a gang: NODE_RANK and SWARMLET_HOSTFILE are not there",
                hint: "start one: swarmlet run --nodes 2 --mpi -- COMMAND")
        }
        guard rank == "0" else {
            // The processes of the program here may want to end well before the grace time is over.
            for number in [SIGTERM, SIGINT, SIGHUP] { signal(number, SIG_IGN) }
            try RankDoor.waitForFirst()
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
        throw execute(launch.arguments)
    }

    private static func write(_ text: String, to path: String) throws(CommandError) {
        do throws(HostError) { try HostFiles.replace(path, with: Array(text.utf8)) } catch {
            throw .localFile(path: path, reason: error.message)
        }
    }

    /// Returns only when it cannot be done.
    private static func execute(_ arguments: [String]) -> CommandError {
        var pointers = arguments.map { strdup($0) } + [nil]
        execvp(arguments[0], &pointers)
        let number = errno
        for pointer in pointers { free(pointer) }
        return .refused(
            APIFailure(
                code: "job.mpi_missing", message: "\(arguments[0]) cannot be run here: \(SystemError.text(number))",
                hint: "install an MPI on each host (openmpi-bin, mpich), or bring it: --image, --setup",
                exitCode: number == ENOENT ? 127 : 126))
    }
}
