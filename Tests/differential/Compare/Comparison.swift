import Codec

/// Runs schedules and reports what differs.
struct Comparison {
    private let arguments: Arguments
    private let process: EtcdProcess

    init(_ arguments: Arguments) throws(ComparisonError) {
        self.arguments = arguments
        process = try EtcdProcess(path: arguments.program)
    }

    /// True where all schedules agreed.
    func run() throws(ComparisonError) -> Bool {
        let first = arguments.seed ?? arguments.from
        let count = arguments.seed == nil ? arguments.schedules : 1
        var steps = 0
        var calms = 0
        var different = 0
        var deliveries = 0
        var counts: [String: Int] = [:]
        for seed in first..<(first + UInt64(count)) {
            _ = try process.ask(["op": "reset"])
            let schedule = try schedule(seed)
            let outcome: Schedule.Outcome
            do throws(ComparisonError) {
                outcome = try schedule.run(steps: arguments.steps)
            } catch {
                print("seed \(seed): \(error)", schedule.outcome.story.suffix(12).joined(separator: "\n  "))
                throw error
            }
            if arguments.seed != nil { for line in outcome.story { print(line) } }
            steps += outcome.steps
            calms += outcome.calms
            deliveries += schedule.ours.deliveries + schedule.theirs.deliveries
            for (what, number) in outcome.counts { counts[what, default: 0] += number }
            guard !outcome.differences.isEmpty else { continue }
            different += 1
            print("seed \(seed), step \(outcome.steps):")
            for difference in outcome.differences { print("  \(difference)") }
        }
        let kinds = counts.keys.sorted().map { "\(counts[$0]!) \($0)" }.joined(separator: ", ")
        print(
            """
            \(count) schedules, \(different) with differences: \(steps) steps, \(calms) calms, \(deliveries) messages; \
            \(kinds)
            """)
        return different == 0
    }

    /// In a mixed mesh one node is etcd's.
    private func schedule(_ seed: UInt64) throws(ComparisonError) -> Schedule {
        let isMixed = arguments.isMixed
        let foreign = NodeID(seed % 3 + 1)
        return try Schedule(seed: seed, isMixed: isMixed) { [process] (id, voters) throws(ComparisonError) in
            let our = try OurMachine(id: id, voters: voters)
            if isMixed, id != foreign { return (our, try OurMachine(id: id, voters: voters)) }
            return (our, try EtcdMachine(id: id, voters: voters, in: process))
        }
    }
}
