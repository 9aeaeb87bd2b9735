import Codec
@_spi(Simulation) import Raft

/// What one seed is about: each draws which kinds of trouble there are and how much of each, so that some runs have a lot
/// of one thing and nothing of another (swarm testing, Groce and others, 2012).
struct RaftScenario {
    /// Nodes that exist; the first `founders` of them are voters at the start.
    var nodeCount = 3
    var founders = 3
    var weather = SimulatedNetwork.Weather.fair
    var configuration = RaftConfiguration()
    var diskMicroseconds: ClosedRange<Int64> = 100...2_000
    /// Mean time between two of the operator's or nature's acts.
    var actMilliseconds: Int64 = 500
    var acts: [Act] = []
    var proposalMilliseconds: Int64 = 20
    var readMilliseconds: Int64 = 30
    /// Bytes of a command beyond its number.
    var padding = 0
    /// Everything that reaches a node within this time is one turn.
    var turnMicroseconds: Int64 = 0

    /// Things that happen to a mesh.
    enum Act: CaseIterable {
        case crash, crashLeader, crashAll, partition, isolateLeader, heal, stallDisk, pause, transfer
        case change, snapshot, brokenConnection, loseEntries
    }

    static func drawn(by generator: inout SeededGenerator, faults: RaftFaults) -> RaftScenario {
        var scenario = RaftScenario()
        let hasChanges = generator.chance(1, in: 2)
        scenario.nodeCount = generator.chance(1, in: 2) ? 3 : 5
        scenario.founders = hasChanges && generator.chance(1, in: 2) ? 1 : scenario.nodeCount
        if scenario.founders == 5, hasChanges { scenario.founders = 3 }
        scenario.weather = .drawn(by: &generator)
        scenario.diskMicroseconds = 50...generator.pick(100...Int64(30_000))
        scenario.actMilliseconds = generator.pick(150...Int64(1_500))
        scenario.proposalMilliseconds = generator.pick(5...Int64(100))
        scenario.readMilliseconds = generator.pick(5...Int64(150))
        scenario.padding = generator.chance(1, in: 4) ? 2_000 : 0
        scenario.turnMicroseconds = generator.chance(1, in: 3) ? 500 : 0
        for act in Act.allCases {
            switch act {
            case .change: if !hasChanges { continue }
            // A mesh that may shrink to one voter cannot repair that one.
            case .loseEntries: if hasChanges { continue }
            default: break
            }
            for _ in 0..<generator.pick(0...3) { scenario.acts.append(act) }
        }
        // Without a way back, the rest of the storm is one long partition.
        if scenario.acts.contains(.partition) || scenario.acts.contains(.isolateLeader) {
            scenario.acts += [.heal, .heal]
        }
        scenario.configuration.faults = faults
        if generator.chance(1, in: 2) {
            scenario.configuration.maximumAppendEntries = generator.pick(1...8)
            scenario.configuration.maximumInflightAppends = generator.pick(1...8)
            // Slow replication slows the clients down, or the calm is spent on what the storm has piled up.
            scenario.configuration.maximumUncommittedBytes = 100 * (scenario.padding + 24)
        }
        scenario.configuration.snapshotChunkBytes = generator.pick(8...200)
        scenario.configuration.snapshotThresholdEntries = generator.pick(20...400)
        scenario.configuration.trailingEntries = generator.pick(0...50)
        return scenario
    }
}
