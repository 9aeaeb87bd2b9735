import Codec
import Glibc
import Simulation

/// `differential PROGRAM [--schedules N] [--from S] [--seed S] [--steps N] [--mixed]`: N random schedules (100 from 1) in a mesh of
/// ours and in one of etcd's raft nodes, which the Go program at PROGRAM holds; one line for each difference, and a
/// summary. `--seed` tells one schedule step by step. `--mixed` compares with a mesh of ours in which one node is etcd's.
///
/// Exit 0: no difference. Exit 1: differences. Exit 2: wrong arguments, or the Go program failed.
@main struct Differential {
    static func main() {
        guard let arguments = Arguments(Array(CommandLine.arguments.dropFirst())) else {
            print("usage: differential PROGRAM [--schedules N] [--from S] [--seed S] [--steps N] [--mixed]")
            exit(2)
        }
        do throws(ComparisonError) {
            exit(try Comparison(arguments).run() ? 0 : 1)
        } catch {
            print("differential: \(error)")
            exit(2)
        }
    }
}
