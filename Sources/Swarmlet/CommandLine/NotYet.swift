/// What people will type that this version does not have, and what to do instead.
enum NotYet {
    /// What to do instead of a command; nil where the name means nothing to us.
    static func command(_ name: String) -> String? { commands[name] }

    /// What to do instead of a flag of a command; nil where the name means nothing to us.
    static func flag(_ flag: String, of command: String) -> String? { flags[command]?[flag] }

    private static let commands: [String: String] = [
        "drain": "did you mean: swarmlet node drain NODE",
        "cordon": "did you mean: swarmlet node cordon NODE",
        "uncordon": "did you mean: swarmlet node uncordon NODE",
        "sql": "every table is JSON for other tools: swarmlet ps -a --json",
        "submit": "run a job in the background with: swarmlet run -d -- COMMAND",
        "ssh": "did you mean: swarmlet exec -it JOB -- sh",
        "map": "many tasks of one command: swarmlet run --array N -- COMMAND",
        "apply": "say it in flags: swarmlet run --help",
        "top": "what runs and what is free: swarmlet ps and swarmlet members",
        "dashboard": "what runs and what is free: swarmlet ps and swarmlet members",
        "nodes": "did you mean: swarmlet members",
        "stop": "did you mean: swarmlet cancel JOB",
        "kill": "did you mean: swarmlet cancel JOB",
        "rm": "did you mean: swarmlet cancel JOB",
        "queue": "what waits and why: swarmlet ps",
        "secret": "give a value to one job with: swarmlet run --env NAME=VALUE -- COMMAND",
        "volume": "the working directory travels with run; results come back with --out PATTERN",
        "retry": "run it again: swarmlet run; to repeat failures by itself: swarmlet run --retry N",
        "requeue": "run it again: swarmlet run; to repeat failures by itself: swarmlet run --retry N",
    ]

    private static let flags: [String: [String: String]] = [
        "run": [
            "--priority": "jobs start in the order they were submitted; start without the flag",
            "--preemptible": "no job is preempted in this version; start without the flag",
            "--spot": "spot notices are to come; a lost host is retried without a flag",
            "--after": "wait for the first job, then run: swarmlet wait JOB && swarmlet run -- COMMAND",
            "--node": "say what it needs instead: --gpus, --gpu-mem, --cpus, --mem",
            "--nodelist": "say what it needs instead: --gpus, --gpu-mem, --cpus, --mem",
            "--constraint": "say what it needs instead: --gpus, --gpu-mem, --cpus, --mem",
            "--gpu-frac": "a job holds whole GPUs in this version: --gpus N",
            "--mig": "a job holds whole GPUs in this version: --gpus N",
            "--queue": "there is one queue; start without the flag",
            "--partition": "there is one queue; start without the flag",
            "--checkpoint-mode": "checkpoints are files that the job writes: --checkpoint DIR",
            "--signal": "a cancelled job gets SIGTERM, and SIGKILL after the grace time",
            "--disconnect-limit": "a job whose host is cut off stays frozen up to an hour",
            "--chdir": "change there first: cd DIR && swarmlet run -- COMMAND",
            "-C": "change there first: cd DIR && swarmlet run -- COMMAND",
            "--output": "take it from stdout: swarmlet run -- COMMAND > FILE",
            "-o": "take it from stdout: swarmlet run -- COMMAND > FILE",
            "-t": "a job has no terminal; run a shell beside it: swarmlet exec -it JOB -- sh",
            "-it":
                "a job has no terminal: swarmlet run -i reads stdin, swarmlet exec -it JOB -- sh is a shell beside it",
            "--secret": "give a value with: --env NAME=VALUE",
        ],
        "join": [
            "--token": "the invitation comes on stdin: swarmlet join - < FILE, or swarmlet join file:PATH"
        ],
        "cancel": ["--grace": "a job names its own grace time when it is submitted: swarmlet run --grace TIME"],
        "wait": [
            "--any": "wait for each in the background: swarmlet wait JOB &",
            "--timeout": "bound it from outside: timeout 60 swarmlet wait JOB",
        ],
        "ps": ["--watch": "repeat it: watch swarmlet ps", "-w": "repeat it: watch swarmlet ps"],
        "leave": ["--drain": "jobs of this host start again on others from their newest checkpoint"],
    ]
}
