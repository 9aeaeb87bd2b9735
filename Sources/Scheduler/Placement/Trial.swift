import Codec

/// What a job would come to that was submitted now, found on a copy of the state.
public struct Trial: Sendable {
    /// Why it would be refused, or the number that it would get.
    public let answer: Answer
    /// Where its first tasks would begin at once.
    public let placements: [Placement]
    /// As it would be then.
    public let state: SchedulerState

    /// - Parameter now: nanoseconds since the Unix epoch.
    public init(_ spec: JobSpec, as request: RequestID, in state: SchedulerState, now: Int64) {
        var copy = state
        answer = copy.apply(Entry(request: request, time: now, command: .submit(spec))).answer
        if case .job(let id) = answer {
            placements = Placement.plan(copy).filter { $0.attempt.job == id && !$0.waits }
        } else {
            placements = []
        }
        self.state = copy
    }
}
