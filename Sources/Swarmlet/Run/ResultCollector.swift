import CLinux
import Codec
import Glibc
import Node
import Scheduler

/// Brings the results of a job that nobody follows to the directory where `run` was typed, once the job has ended.
struct ResultCollector {
    let directory: DataDirectory
    let job: JobID
    /// Where the results go; absolute.
    let place: String

    /// Asking again and again instead of waiting in one call: the daemon serves only so many calls at once, and people
    /// detach more jobs than that.
    private static let firstPause = Interval(nanoseconds: 100_000_000)
    private static let longestPause = Interval(nanoseconds: 2_000_000_000)

    /// Something to collect for a job that is left; nil where it leaves nothing that would come by itself.
    static func needed(
        _ directory: DataDirectory, _ job: JobID, _ spec: JobSpec, place: String
    ) -> ResultCollector? {
        spec.outputs.isEmpty || spec.isArray ? nil : ResultCollector(directory: directory, job: job, place: place)
    }

    /// Starts a process that collects in the background, as the same user and in a session of its own: it outlives the
    /// terminal. Where that cannot be, the results stay in the mesh, and it is said how to get them.
    func startInBackground(_ terminal: Terminal) {
        let words = ["swarmlet", "collect", "--data-dir", directory.path, "--into", place, "\(job)"]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let result = swarmlet_spawn_detached("/proc/self/exe", arguments, -1, "/dev/null", &child)
        guard result != 0 else { return }
        terminal.warn(
            "the files of --out will not come by themselves: \(SystemError.text(result)). "
                + "When job \(job) has ended: swarmlet cp job:\(job): .")
    }

    /// Returns when the results are in place, or when the job has ended without any.
    func collect(_ terminal: Terminal) throws(CommandError) {
        guard try resultsExist(terminal) else { return }
        _ = try ResultFetcher(directory, terminal).fetch(job, into: place)
    }

    /// Waits for the end of the job.
    private func resultsExist(_ terminal: Terminal) throws(CommandError) -> Bool {
        var patience = ReconnectPatience(isSubmitted: true)
        var pause = Self.firstPause
        while true {
            do throws(CommandError) {
                guard case .job(let detail) = try LocalClient.call(.inspectJob(job), directory) else {
                    throw CommandError.badAnswer(reason: "another reply than a job")
                }
                if detail.view.state.isEnded { return detail.results != nil }
                patience = ReconnectPatience(isSubmitted: true)
                _ = LocalClient.wait(for: nil, signals: nil, until: Clock.sinceBoot() + pause)
                pause = min(Interval(nanoseconds: pause.nanoseconds * 2), Self.longestPause)
            } catch {
                try patience.wait(after: error, signals: nil, terminal)
            }
        }
    }
}
