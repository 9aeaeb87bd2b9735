import Codec
import Simulation

/// Meshes of bare Raft cores.
enum RaftRuns {
    static func run(_ arguments: Arguments) -> Bool {
        var failures = 0
        var total = RaftSimulationOutcome(seed: 0, violation: nil, digest: TraceDigest(), story: [])
        let count = arguments.seeds ?? 100
        let clock = ContinuousClock()
        let start = clock.now
        for offset in 0..<count {
            let outcome = RaftSimulation(seed: arguments.from + UInt64(offset)).run()
            total.add(outcome)
            if (offset + 1) % 1_000 == 0, count > 1_000 {
                say("raft: \(offset + 1) seeds, \(failures) broken, \(rate(offset + 1, clock.now - start)) seeds/s")
            }
            guard let violation = outcome.violation else { continue }
            failures += 1
            say("raft seed \(outcome.seed): \(violation)")
        }
        say(
            """
            raft: \(count) seeds, \(failures) broken: \(total.steps) steps, \(total.committed) entries decided, \
            \(total.reads) reads, \(total.answers) of \(total.operations) requests answered, \
            \(total.undecided) histories undecided, \(total.elections) elections, \(total.crashes) crashes, \
            \(total.membershipChanges) memberships, \(total.snapshotsInstalled) snapshots installed, \
            \(rate(count, clock.now - start)) seeds/s, trace \(total.digest.value)
            """)
        return failures == 0
    }

    private static func rate(_ seeds: Int, _ time: Duration) -> String {
        let tenths = Int(Double(seeds) / (time / .seconds(1)) * 10)
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Runs one seed and writes down what each core did; false where a rule is broken or the file cannot be written.
    static func trace(_ arguments: Arguments, _ seed: UInt64, to file: String) -> Bool {
        var options = RaftSimulationOptions()
        options.staysWithinSpecification = arguments.isPlain
        options.keepsTrace = true
        let outcome = RaftSimulation(seed: seed, options: options).run()
        if let violation = outcome.violation { say("raft seed \(seed): \(violation)") }
        guard write(outcome.trace.map(\.line), to: file) else {
            say("raft seed \(seed): \(file) cannot be written")
            return false
        }
        say("raft seed \(seed): \(outcome.trace.count) steps of cores in \(file)")
        return outcome.violation == nil
    }

    static func tell(_ seed: UInt64, _ tellsStory: Bool, bug name: String?) -> Bool {
        var options = RaftSimulationOptions()
        options.tellsStory = tellsStory
        let bug = RaftBug.all.first { $0.name == name }
        let outcome =
            bug?.run(seed: seed, tellsStory: tellsStory) ?? RaftSimulation(seed: seed, options: options).run()
        for line in outcome.story { print(line) }
        if let violation = outcome.violation { print("raft seed \(seed): \(violation)") }
        say(
            """
            raft seed \(seed): \(outcome.steps) steps, \(outcome.committed) entries decided, \
            \(outcome.answers) of \(outcome.operations) requests answered, trace \(outcome.digest.value)
            """
        )
        return outcome.violation == nil
    }

    static func hunt(_ arguments: Arguments) -> Bool {
        var missed = 0
        var worst = 0
        for bug in RaftBug.all where arguments.onlyBug ?? bug.name == bug.name {
            let name = bug.name + String(repeating: " ", count: max(0, 32 - bug.name.count))
            if let (outcome, tried) = bug.hunt(from: arguments.from, limit: arguments.seeds ?? RaftBug.seedLimit) {
                let rule = outcome.violation.map { "\($0.rule)" } ?? ""
                worst = max(worst, tried)
                say("\(name) found after \(tried) seeds (\(outcome.seed)): \(rule)")
            } else {
                missed += 1
                say("\(name) NOT FOUND in \(arguments.seeds ?? RaftBug.seedLimit) seeds")
            }
        }
        say("raft: \(missed) mistakes not found; the slowest of the others took \(worst) seeds")
        return missed == 0
    }
}

extension RaftSimulationOutcome {
    /// Sums up what a run did, and folds its trace into one for all.
    fileprivate mutating func add(_ other: RaftSimulationOutcome) {
        steps += other.steps
        elections += other.elections
        committed += other.committed
        reads += other.reads
        crashes += other.crashes
        membershipChanges += other.membershipChanges
        snapshotsInstalled += other.snapshotsInstalled
        operations += other.operations
        answers += other.answers
        undecided += other.undecided
        digest.add(other.digest.value)
    }
}
