/// The files in a supervisor's directory.
struct SupervisorPaths {
    let directory: String

    var socket: String { "\(directory)/socket" }
    var process: String { "\(directory)/pid" }
    var lease: String { "\(directory)/lease" }
    var journal: String { "\(directory)/journal" }
    var output: String { "\(directory)/supervisor.log" }
}
