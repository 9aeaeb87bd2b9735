import Simulation

/// `simulate [raft | mesh] [--seeds N] [--from S]`: N seeds from S on (100 from 1), a line for each that fails and a
/// summary.
/// `simulate raft | mesh --seed S [--story] [--only NAME]`: one seed, told line by line; with that mistake where
/// one is named.
/// `simulate [raft | mesh] --bugs [--only NAME] [--seeds N] [--from S]`: each known mistake put back, or one; all must
/// be found, within N seeds where given.
/// `simulate gossip [--nodes N] [--seed S] [--only NAME] [--seconds N]`: what gossip does in a mesh of N (100) when nodes
/// crash, hang, part and start, or in one kind of trouble, for so long instead of its usual time; from 20,000 on only
/// how fast news spread.
/// `simulate gossip --storms [--seeds N] [--from S]`: random trouble in small meshes, with all rules checked.
/// `simulate raft --seed S --trace FILE`: one seed, and each step of its cores as a line of JSON (docs/raft.md).
/// `simulate --speed`: commits per second of the bare core, as lines for `scripts/bench`.
/// `simulate --state-speed`: what the replicated state costs with a million tasks in it, as lines for `scripts/bench`.
///
/// Exit 0: all rules held (or all mistakes were found). Exit 1: not so. Exit 2: wrong arguments.
@main struct Simulate {
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        guard let arguments = Arguments(words), arguments.seed == nil || arguments.kinds.count == 1 else {
            print(Arguments.usage)
            leave(words == ["--help"] || words == ["-h"] ? 0 : 2)
        }
        if arguments.measuresSpeed {
            measure()
            leave(0)
        }
        if arguments.measuresState {
            StateSpeed.printAll()
            leave(0)
        }
        var allHeld = true
        for kind in arguments.kinds where !run(kind, arguments) { allHeld = false }
        leave(allHeld ? 0 : 1)
    }

    private static func run(_ kind: Arguments.Kind, _ arguments: Arguments) -> Bool {
        switch kind {
        case .raft:
            if arguments.huntsBugs { return RaftRuns.hunt(arguments) }
            if let seed = arguments.seed, let file = arguments.traceFile {
                return RaftRuns.trace(arguments, seed, to: file)
            }
            if let seed = arguments.seed { return RaftRuns.tell(seed, arguments.tellsStory, bug: arguments.onlyBug) }
            return RaftRuns.run(arguments)
        case .gossip:
            if arguments.huntsBugs { return GossipStorms.hunt(arguments) }
            if arguments.runsStorms { return GossipStorms.run(arguments) }
            return GossipRuns.run(arguments)
        case .mesh:
            if arguments.huntsBugs { return MeshRuns.hunt(arguments) }
            if let seed = arguments.seed { return MeshRuns.tell(seed, arguments.tellsStory, bug: arguments.onlyBug) }
            return MeshRuns.run(arguments)
        }
    }

    private static func measure() {
        for batch in [1, 64, 1_024] {
            var speed = CoreSpeed()
            let value = Int(speed.commitsPerSecond(batch: batch, for: .seconds(2)))
            print("{\"name\":\"raft-core.batch\(batch)\",\"value\":\(value),\"unit\":\"per s\",\"runs\":1}")
        }
    }
}
