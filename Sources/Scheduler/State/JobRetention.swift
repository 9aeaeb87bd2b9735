import Codec

/// How many ended jobs the state holds, and for how long; then they are in the histories only.
struct JobRetention: Hashable, Sendable {
    var jobs = SchedulerLimits.endedJobsMax
    var nanoseconds = SchedulerLimits.endedNanoseconds
}

extension SchedulerState {
    /// After a change of the settings.
    mutating func readRetention() {
        retention.jobs = Int(value(of: .jobsKept)) ?? SchedulerLimits.endedJobsMax
        retention.nanoseconds =
            TimeSpan.parse(value(of: .jobsKeptFor))?.nanoseconds ?? SchedulerLimits.endedNanoseconds
    }
}
