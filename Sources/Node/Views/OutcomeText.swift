import Scheduler

/// How an attempt ended, in the words that people are shown.
enum OutcomeText {
    /// For `ps` and `inspect`.
    static func short(_ outcome: Outcome) -> String {
        switch outcome {
        case .exited(let code): "exit \(code)"
        case .signalled(let number): "killed by signal \(number)" + (signalName(number).map { " (\($0))" } ?? "")
        case .outOfMemory(let limit): "out of memory (limit \(ByteSize.text(limit)))"
        case .timeLimit: "time limit"
        case .diskLimit(let limit): "disk limit (\(ByteSize.text(limit)))"
        case .commandNotFound: "command not found"
        case .commandNotExecutable(let reason): "not executable: \(reason)"
        case .hostFailed(_, let message): message
        case .lost: "host lost"
        case .cancelled: "cancelled"
        case .returned: "given back before it began"
        case .moved: "moved: its node was drained, or its owner came back"
        case .deviceFailed(let text): text
        case .gangEnded: "ended with another rank"
        }
    }

    /// Why `run` exits with a code that is not the job's own; nil where the job said it itself.
    static func failure(_ outcome: Outcome, of spec: JobSpec, job: JobID, node: String) -> APIFailure? {
        let command = spec.command.first ?? ""
        let code = outcome.exitCode
        switch outcome {
        case .exited: return nil
        case .signalled: return nil
        case .cancelled, .returned, .gangEnded: return nil
        case .moved:
            guard spec.retry == .never else { return nil }
            return APIFailure(
                code: "job.preempted",
                message: "the owner of \(node) wanted it back under job \(job), which is not to be retried",
                hint: "without --retry never it would have gone on elsewhere", exitCode: code)
        case .outOfMemory(let limit):
            return APIFailure(
                code: "job.out_of_memory", message: "job \(job) used more than its \(ByteSize.text(limit)) of memory",
                hint: "ask for more: --mem \(more(than: limit))", exitCode: code)
        case .diskLimit(let limit):
            return APIFailure(
                code: "job.disk_limit",
                message: "job \(job) kept more on disk than its \(ByteSize.text(limit)), or its host had no more room",
                hint: "delete what it no longer needs, or ask for more: --disk \(more(than: limit))", exitCode: code)
        case .timeLimit:
            return APIFailure(
                code: "job.time_limit", message: "job \(job) reached its time limit",
                hint: "give it more: --time D; to go on from where it was: --checkpoint DIR", exitCode: code)
        case .commandNotFound(let path):
            return APIFailure(
                code: "job.command_not_found", message: "\(command) is not on \(node)",
                hint: "searched there: \(path). A program in this directory is sent, and is ./NAME", exitCode: code)
        case .commandNotExecutable(let reason):
            return APIFailure(
                code: "job.command_not_executable", message: "\(command) cannot be executed on \(node): \(reason)",
                hint: "make it executable: chmod +x \(command)", exitCode: code)
        case .hostFailed(let stable, let message):
            return APIFailure(
                code: stable, message: "\(node) could not run job \(job): \(message)",
                hint: hint(ofHostFailure: stable), exitCode: code)
        case .lost:
            return APIFailure(
                code: "job.lost", message: "\(node) was lost with job \(job), which is not to be retried",
                hint: "without --retry never it would have gone on elsewhere", exitCode: code)
        case .deviceFailed(let text):
            return APIFailure(
                code: "job.device_failed",
                message: "a device of \(node) failed under job \(job), which is not to be retried: \(text)",
                hint: "without --retry never it would have gone on with another one", exitCode: code)
        }
    }

    private static func hint(ofHostFailure code: String) -> String {
        switch code {
        case "host.sandbox.unavailable":
            NodeError.profileUnavailable(.standard, node: "", reason: "").hint
        case "host.gpu.not_wiped": NodeError.deviceNotWiped(0, node: "", reason: "").hint
        case "host.sandbox.too_weak": NodeError.profileTooWeak(.none, node: "", least: .standard).hint
        case "job.image": NodeError.imageRefused("", node: "", reason: "").hint
        case "job.mount": NodeError.mountRefused("", node: "", reason: "").hint
        case "job.setup_failed":
            "what it said is above. Does it need the network? --network on, or setup-only for the setup alone"
        default: "what that host can do: swarmlet doctor, there"
        }
    }

    /// Twice as much, as `--mem` and `--disk` take it.
    private static func more(than bytes: UInt64) -> String {
        let double = bytes.multipliedReportingOverflow(by: 2)
        let mebibytes = max(1, (double.overflow ? UInt64.max : double.partialValue) >> 20)
        return mebibytes % 1024 == 0 ? "\(mebibytes / 1024)G" : "\(mebibytes)M"
    }

    private static func signalName(_ number: Int32) -> String? {
        // signal(7), x86 and ARM.
        let names: [Int32: String] = [
            1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
            9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
            24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
        ]
        return names[number]
    }
}
