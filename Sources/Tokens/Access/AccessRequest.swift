/// What is asked with a token, as whoever does it sees it.
public struct AccessRequest: Hashable, Sendable {
    /// A job that there is.
    public struct Job: Hashable, Sendable {
        public let number: String
        /// The names of the links that it was started with, root first; empty for a job of a member.
        public let startedWith: [String]
        /// Seconds since the Unix epoch; nil while it goes on.
        public let ended: Int64?

        public init(number: String, startedWith: [String], ended: Int64?) {
            self.number = number
            self.startedWith = startedWith
            self.ended = ended
        }
    }

    /// Where it is to be done.
    public enum Place: Hashable, Sendable {
        /// Not decided: the node that does it looks again.
        case open
        /// Labels as `name=value`.
        case node(String, labels: [String])
    }

    /// Nil for what every holder may: see his own jobs.
    public var act: AccessAct?
    /// Nil for a job that is to be started.
    public var job: Job?
    /// Of a list: the jobs that would be in it; nil where nothing is listed.
    public var listed: [Job]?
    /// Of a file that is to be fetched, in its job's directory.
    public var path: String?
    public var place: Place
    /// What it would take.
    public var asks: AccessLimits

    public init(
        _ act: AccessAct?, job: Job? = nil, listed: [Job]? = nil, path: String? = nil, place: Place = .open,
        asks: AccessLimits = AccessLimits()
    ) {
        self.act = act
        self.job = job
        self.listed = listed
        self.path = path
        self.place = place
        self.asks = asks
    }
}
