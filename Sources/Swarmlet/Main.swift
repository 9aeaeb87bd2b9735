import GPUBackend
import Glibc

@main
struct Main {
    static func main() {
        let arguments = CommandLine.arguments
        // Before anything else: a supervisor clones processes and may never have had a second thread.
        if arguments.count == 3, arguments[1] == "supervisor" { exit(SupervisorMain.run(directory: arguments[2])) }
    }
}
