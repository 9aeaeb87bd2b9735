import Codec
import Simulation

/// `simulate [--seeds N] [--from S]`: N seeds from S on (100 from 1), one line each that fails, a summary at the end.
/// `simulate --seed S --story`: one seed, told line by line.
/// `simulate --bugs [--seeds N] [--from S]`: each known mistake put back; all must be found, within N seeds where given.
/// `simulate --speed`: commits per second of the bare core, as lines for `scripts/bench`.
///
/// Exit 0: all rules held (or all mistakes were found). Exit 1: not so. Exit 2: wrong arguments.
@main struct Simulate {
    struct Arguments {
        var seeds: Int?
        var from: UInt64 = 1
        var seed: UInt64?
        var tellsStory = false
        var huntsBugs = false
        var measuresSpeed = false
    }

    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        guard let arguments = parse(words) else {
            print("usage: simulate [--seeds N] [--from S]")
            print("       simulate --seed S [--story] | --bugs [--seeds N] [--from S] | --speed")
            leave(words == ["--help"] || words == ["-h"] ? 0 : 2)
        }
        if arguments.measuresSpeed {
            measure()
            leave(0)
        }
        if arguments.huntsBugs { leave(hunt(arguments) ? 0 : 1) }
        if let seed = arguments.seed { leave(tell(seed, arguments.tellsStory) ? 0 : 1) }
        leave(run(arguments) ? 0 : 1)
    }

    private static func parse(_ words: [String]) -> Arguments? {
        var arguments = Arguments()
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--story": arguments.tellsStory = true
            case "--speed": arguments.measuresSpeed = true
            case "--bugs": arguments.huntsBugs = true
            case "--seeds", "--from", "--seed":
                guard let text = rest.popFirst(), let number = UInt64(text), number < UInt64(Int.max) else {
                    return nil
                }
                if word == "--seeds" { arguments.seeds = Int(number) }
                if word == "--from" { arguments.from = number }
                if word == "--seed" { arguments.seed = number }
            default: return nil
            }
        }
        return arguments
    }

    private static func run(_ arguments: Arguments) -> Bool {
        var failures = 0
        var total = (steps: 0, elections: 0, crashes: 0, changes: 0, snapshots: 0, reads: 0, committed: UInt64(0))
        let count = arguments.seeds ?? 100
        for offset in 0..<count {
            let outcome = RaftSimulation(seed: arguments.from + UInt64(offset)).run()
            total.steps += outcome.steps
            total.elections += outcome.elections
            total.crashes += outcome.crashes
            total.changes += outcome.membershipChanges
            total.snapshots += outcome.snapshotsInstalled
            total.reads += outcome.reads
            total.committed += outcome.committed
            guard let violation = outcome.violation else { continue }
            failures += 1
            print("seed \(outcome.seed): \(violation)")
        }
        print(
            """
            \(count) seeds, \(failures) broken: \(total.steps) steps, \(total.committed) entries decided, \
            \(total.reads) reads, \(total.elections) elections, \(total.crashes) crashes, \
            \(total.changes) memberships, \(total.snapshots) snapshots installed
            """)
        return failures == 0
    }

    private static func tell(_ seed: UInt64, _ tellsStory: Bool) -> Bool {
        var options = RaftSimulationOptions()
        options.tellsStory = tellsStory
        let outcome = RaftSimulation(seed: seed, options: options).run()
        for line in outcome.story { print(line) }
        if let violation = outcome.violation { print("seed \(seed): \(violation)") }
        print(
            "seed \(seed): \(outcome.steps) steps, \(outcome.committed) entries decided, trace \(outcome.digest.value)")
        return outcome.violation == nil
    }

    private static func hunt(_ arguments: Arguments) -> Bool {
        var missed = 0
        for bug in RaftBug.all {
            let name = bug.name + String(repeating: " ", count: max(0, 32 - bug.name.count))
            if let (outcome, tried) = bug.hunt(from: arguments.from, limit: arguments.seeds ?? RaftBug.seedLimit) {
                let rule = outcome.violation.map { "\($0.rule)" } ?? ""
                print("\(name) found after \(tried) seeds (\(outcome.seed)): \(rule)")
            } else {
                missed += 1
                print("\(name) NOT FOUND in \(arguments.seeds ?? RaftBug.seedLimit) seeds")
            }
        }
        return missed == 0
    }

    private static func measure() {
        for batch in [1, 64, 1_024] {
            var speed = CoreSpeed()
            let value = Int(speed.commitsPerSecond(batch: batch, for: .seconds(2)))
            print("{\"name\":\"raft-core.batch\(batch)\",\"value\":\(value),\"unit\":\"per s\",\"runs\":1}")
        }
    }
}
