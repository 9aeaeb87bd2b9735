/// Exit codes that swarmlet gives itself; a job's own code passes through `run` and `wait` as it is.
enum ExitCode {
    static let success: Int32 = 0
    /// `doctor`: a check failed.
    static let checkFailed: Int32 = 1
    /// The command line is wrong, or no member could ever hold what was asked.
    static let usage: Int32 = 2
    static let notFound: Int32 = 3
    static let denied: Int32 = 4
    /// swarmlet could not do it.
    static let swarmlet: Int32 = 125
    static let cancelled: Int32 = 130

    static func signalled(_ signal: Int32) -> Int32 { 128 + signal }
}
