import Codec
import Simulation

/// Meshes of bare Raft cores.
enum RaftRuns {
    static func run(_ arguments: Arguments) -> Bool {
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
            print("raft seed \(outcome.seed): \(violation)")
        }
        print(
            """
            raft: \(count) seeds, \(failures) broken: \(total.steps) steps, \(total.committed) entries decided, \
            \(total.reads) reads, \(total.elections) elections, \(total.crashes) crashes, \
            \(total.changes) memberships, \(total.snapshots) snapshots installed
            """)
        return failures == 0
    }

    static func tell(_ seed: UInt64, _ tellsStory: Bool) -> Bool {
        var options = RaftSimulationOptions()
        options.tellsStory = tellsStory
        let outcome = RaftSimulation(seed: seed, options: options).run()
        for line in outcome.story { print(line) }
        if let violation = outcome.violation { print("raft seed \(seed): \(violation)") }
        print(
            """
            raft seed \(seed): \(outcome.steps) steps, \(outcome.committed) entries decided, \
            trace \(outcome.digest.value)
            """
        )
        return outcome.violation == nil
    }

    static func hunt(_ arguments: Arguments) -> Bool {
        var missed = 0
        for bug in RaftBug.all where arguments.onlyBug ?? bug.name == bug.name {
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
}
