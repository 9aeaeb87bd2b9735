import Codec
import Node
import Scheduler

/// One request for each job that was typed.
enum JobList {
    /// All of them are asked, whatever becomes of the others; the first failure is the exit code.
    static func forEach(
        _ invocation: Invocation, _ terminal: Terminal, command: String, _ request: (JobID) -> APIRequest
    ) throws(CommandError) -> Int32 {
        let directory = try DataDirectory.chosen(invocation)
        var jobs: [JobID] = []
        for operand in invocation.operands {
            let reference = try JobReference(operand, for: command)
            guard reference.task == nil else {
                throw .notYet(
                    what: "\(command) of one task",
                    instead: "name the whole array: swarmlet \(command) \(reference.job)")
            }
            jobs.append(reference.job)
        }
        var exitCode = ExitCode.success
        var done: [JobID] = []
        for job in jobs {
            do throws(CommandError) {
                _ = try LocalClient.call(request(job), directory)
                done.append(job)
            } catch {
                terminal.report(error)
                if exitCode == ExitCode.success { exitCode = error.exitCode }
            }
        }
        if terminal.format == .json, !done.isEmpty {
            try terminal.result(
                .object([("schema_version", .integer(1)), ("jobs", .array(done.map { .string("\($0)") }))]))
        }
        return exitCode
    }
}
