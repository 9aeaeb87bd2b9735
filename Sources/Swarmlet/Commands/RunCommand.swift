import Codec
import Node
import Scheduler

/// `swarmlet run`: runs a command where it fits, as if it ran here.
enum RunCommand {
    static let declaration = Command(
        "run", summary: "Run a command on a host that fits, and exit with its exit code",
        operands: .jobCommand,
        flags: [
            Flag("gpus", short: "g", .count(placeholder: "N", 0...1024), "GPUs of one node for each task (default 0)"),
            Flag("gpu-mem", .size, "memory that each GPU must have"),
            Flag("cpus", short: "c", .thousandths(placeholder: "N"), "CPUs for each task (default 1)"),
            Flag("mem", short: "m", .size, "memory for each task (default: the share of its CPUs, at least 2 GiB)"),
            Flag("disk", .size, "what an attempt may keep in its directory; past it the exit code is 153"),
            Flag("time", .duration, "time limit of an attempt; past it the exit code is 124"),
            Flag("name", short: "J", .text(placeholder: "NAME"), "name of the job (default: the command's)"),
            Flag("input", short: "i", "let it read what comes on stdin here; its end is passed on"),
            Flag("detach", short: "d", "print the job's id and return at once"),
            Flag("raw", "on a terminal, show what would steer it, as well (default: written out)"),
            Flag("array", short: "a", .count(placeholder: "N", 1...1_000_000), "N tasks, 0 to N-1 in SWARMLET_TASK_ID"),
            Flag(
                "nodes", .count(placeholder: "N", 1...1024),
                "N different nodes, on which all tasks start together or none does"),
            Flag("tasks-per-node", .count(placeholder: "N", 1...1024), "tasks on each of these nodes (default 1)"),
            Flag("mpi", "its tasks are the processes of one MPI program, started by the mpirun of its hosts"),
            Flag(
                "checkpoint", .text(placeholder: "DIR"),
                "where the job saves checkpoints; they travel and are resumed from"),
            Flag("checkpoint-every", .duration, "how often to look for new checkpoints (default 2s)"),
            Flag("keep-checkpoints", .count(placeholder: "N", 1...1000), "how many to keep (default 3)"),
            Flag(
                "out", .text(placeholder: "PATTERN"), occurrence: .repeated,
                "files to bring back here at the end, also of a detached job"),
            Flag("env", short: "e", .variable, occurrence: .repeated, "set or pass on a variable"),
            Flag("retry", .retries, "run again after failures of its own; never: not even after a lost host"),
            Flag("grace", .duration, "time between SIGTERM and SIGKILL (default 10s)"),
            Flag("run-as", .text(placeholder: "USER"), "run as another user of the host (root only)"),
            Flag(
                "profile", .choice(SandboxProfile.allCases.map(\.name)),
                "how far it is kept apart from its host (default standard)"),
            Flag("network", .choice(["on", "off", "setup-only"]), "reach the network (default: on; strict: off)"),
            Flag(
                "setup", .text(placeholder: "COMMAND"), "run this line first, on each host once: what it makes is kept"),
            Flag("user", .text(placeholder: "UID[:GID]"), "be this user inside of its sandbox (0: root only)"),
            Flag("image", .text(placeholder: "DIR|TAR"), "see this tree of its host as its root, as the owner allows"),
            Flag(
                "mount", .text(placeholder: "SRC[:DST][:rw]"), occurrence: .repeated,
                "show it a directory of its host, as the host's owner allows"),
            Flag("allow-pending", "wait even if no member could hold it now"),
            Flag("upload-limit", .size, "send at most this much of the working directory (default 1G)"),
            Flag(
                "receipt", .text(placeholder: "FILE"),
                "write a proof that the job was accepted: swarmlet audit proof"),
            Flag("dry-run", "say what would be sent and where it would run; start nothing"),
            Flag("no-send", "send nothing; the job starts in an empty directory"),
            Flag("mesh", .text(placeholder: "FINGERPRINT"), "with a token: the mesh that it has to be for"),
            Flag("yes", "with a token: send files to a mesh that had none before, without a question"),
            Flag("here", "without a mesh: on this host alone, for as long as the job lives"),
        ],
        details: [
            "The working directory travels with the job, but for what .gitignore and .swarmletignore name and for\n"
                + ".git .venv node_modules __pycache__ .env* *.pem id_* and files with a token or an invitation. Output and\n"
                + "exit code come back as the job's own.",
            "--nodes makes its tasks the ranks of a gang: each finds RANK, WORLD_SIZE, LOCAL_RANK, NODE_RANK, MASTER_ADDR,\n"
                + "MASTER_PORT and what torchrun reads in its environment. When one fails, all end and begin anew. With --mpi mpirun\n"
                + "starts them, through swarmlet and without ssh.",
            "With -i a job reads once and is not repeated: what it has read before its host was lost cannot come again.",
            "Ctrl-C twice within 3 s cancels; Ctrl-\\ or a closed terminal detaches and the job goes on. Without a\n"
                + "terminal, SIGINT and SIGTERM cancel. Exit codes of swarmlet: 75 host lost and not retried, 124 time limit,\n"
                + "125 swarmlet could not do it, 126 not executable, 127 not found, 128+n signal n, 130 cancelled.",
        ],
        examples: [
            .init("swarmlet run --gpus 1 -- python3 train.py", "on any host with a free GPU"),
            .init(
                "swarmlet run --gpus 1 --checkpoint ckpt --out model.pt -- python3 train.py",
                "survives the loss of its host"),
            .init("swarmlet run -d --array 100 -- ./sweep.sh", "100 tasks in the background"),
            .init("swarmlet run --nodes 2 --gpus 4 -- torchrun train.py", "two nodes, four workers on each"),
            .init("swarmlet run --nodes 2 --tasks-per-node 8 --mpi -- ./solve", "16 processes of an MPI program"),
            .init("tar c data | swarmlet run -i -- tar x", "it reads what is piped here"),
            .init("swarmlet run --here -- python3 train.py", "try it without a mesh"),
        ], run: run)

    private static func run(_ invocation: Invocation, _ terminal: Terminal) throws(CommandError) -> Int32 {
        let spec = try JobRequest.spec(invocation)
        let tree = invocation.has("no-send") ? nil : try WorkingTree()
        if let tree {
            try tree.checkLimit(invocation.bytes("upload-limit") ?? WorkingTree.defaultLimitBytes, terminal)
        }
        if invocation.has("dry-run") { return try DryRun(spec, tree, invocation, terminal).run() }
        if !invocation.has("here") { try GuestDoor.admit(spec, tree, invocation, terminal) }
        if invocation.has("here") {
            guard !invocation.has("detach") else {
                throw .conflict(
                    message: "--here ends with its job, so it cannot be detached",
                    hint: "leave out --detach, or start a mesh: swarmlet up")
            }
            let host = try EmbeddedMesh.start(terminal)
            defer { host.stop() }
            return try RunSession(host.directory, spec, tree, terminal).run(.attached(.here))
        }
        let session = RunSession(try DataDirectory.chosen(invocation), spec, tree, terminal)
        session.receipt = invocation.text("receipt")
        do throws(CommandError) {
            return try session.run(invocation.has("detach") ? .detached : .attached(.mesh))
        } catch {
            guard case .refused(var failure) = error, failure.exitCode == ExitCode.denied else { throw error }
            // 4 could be the job's own code: of `run`, what swarmlet could not do is 125.
            failure.exitCode = ExitCode.swarmlet
            throw .refused(failure)
        }
    }
}
