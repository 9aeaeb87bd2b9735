import Codec
@_spi(Simulation) import Raft

/// What one seed is about: each draws which kinds of trouble there are and how much of each, so that some runs have a lot
/// of one thing and nothing of another (swarm testing, Groce and others, 2012).
struct RaftScenario {
    /// Nodes that exist; the first `founders` of them are voters at the start.
    var nodeCount = 3
    var founders = 3
    /// The other nodes are learners from the start.
    var hasLearners = false
    var weather = SimulatedNetwork.Weather.fair
    var configuration = RaftConfiguration()
    var diskMicroseconds: ClosedRange<Int64> = 100...2_000
    /// Mean time between two of the operator's or nature's acts.
    var actMilliseconds: Int64 = 500
    /// The disk finishes each write by itself, in any order, instead of all that has piled up in one transaction.
    var finishesInAnyOrder = false
    var acts: [Act] = []
    /// Mean time between proposals, and reads, that nobody waits for.
    var pushMilliseconds: Int64 = 20
    var pollMilliseconds: Int64 = 30
    var clientCount = 4
    var keyCount = 3
    /// Mean time between a client's requests, and the longest that it waits for one.
    var thinkMilliseconds: Int64 = 50
    var patienceMilliseconds: Int64 = 3_000
    /// Bytes of a command beyond its number.
    var padding = 0
    /// Everything that reaches a node within this time is one turn.
    var turnMicroseconds: Int64 = 0
    /// How much faster or slower than true time a node's clock may run.
    var driftPartsPerMillion: Int64 = 0
    /// All clocks run as far from true time as leases allow, one way or the other.
    var hasExtremeClocks = false
    /// The longest that a node that crashed is down.
    var downMilliseconds: Int64 = 3_000
    /// All times of elections are so many times the usual ones.
    var stretch: Int64 = 1
    /// Mean time between two stores of the state machine; 0 for never.
    var keepMilliseconds: Int64 = 0

    /// Things that happen to a mesh.
    enum Act: CaseIterable {
        case crash, crashLeader, crashAll, partition, isolateLeader, fade, heal, clog, stallDisk, failDisk, pause,
            transfer
        case change, changeOne, snapshot, brokenConnection, flipBit
    }

    static func drawn(by generator: inout SeededGenerator, faults: RaftFaults) -> RaftScenario {
        var scenario = RaftScenario()
        let hasChanges = generator.chance(1, in: 2)
        scenario.nodeCount = generator.pick(from: [3, 3, 3, 3, 4, 5, 5, 5, 6, 7, 7, 8, 9])
        let sizes = [1, 1, 2, 3, 3, 3, 3, 4, 5, 5, 7].filter { $0 <= scenario.nodeCount && (hasChanges || $0 > 2) }
        scenario.founders = generator.pick(from: sizes)
        scenario.hasLearners = !hasChanges || generator.chance(1, in: 2)
        scenario.weather = .drawn(by: &generator)
        scenario.diskMicroseconds = 50...generator.pick(100...Int64(30_000))
        scenario.actMilliseconds = generator.pick(150...Int64(1_500))
        scenario.drawLoad(&generator)
        scenario.drawActs(hasChanges: hasChanges, &generator)
        scenario.configuration.faults = faults
        scenario.drawBounds(&generator)
        scenario.drawTimes(&generator)
        return scenario
    }

    private mutating func drawLoad(_ generator: inout SeededGenerator) {
        pushMilliseconds = generator.pick(5...Int64(100))
        pollMilliseconds = generator.pick(5...Int64(150))
        clientCount = generator.pick(0...8)
        keyCount = generator.pick(1...5)
        thinkMilliseconds = generator.pick(5...Int64(200))
        patienceMilliseconds = generator.pick(200...Int64(6_000))
        padding = generator.chance(1, in: 4) ? 2_000 : 0
        turnMicroseconds = generator.chance(1, in: 3) ? 500 : 0
        driftPartsPerMillion = generator.chance(1, in: 2) ? generator.pick(10...Int64(50_000)) : 0
        keepMilliseconds = generator.chance(2, in: 3) ? generator.pick(20...Int64(1_000)) : 0
    }

    private mutating func drawActs(hasChanges: Bool, _ generator: inout SeededGenerator) {
        for act in Act.allCases {
            switch act {
            case .change, .changeOne: if !hasChanges { continue }
            default: if generator.chance(1, in: 3) { continue }
            }
            for _ in 0..<generator.pick(1...3) { acts.append(act) }
        }
        // Without a way back, the rest of the storm is one long partition.
        if !Set(acts).isDisjoint(with: [.partition, .isolateLeader, .fade]) { acts += [.heal, .heal] }
    }

    private mutating func drawBounds(_ generator: inout SeededGenerator) {
        if generator.chance(1, in: 2) {
            configuration.maximumAppendEntries = generator.pick(1...8)
            configuration.maximumInflightAppends = generator.pick(1...8)
            configuration.maximumAppendBytes = generator.pick(100...4_000)
            configuration.maximumInflightBytes = generator.pick(100...8_000)
            // Slow replication slows the clients down, or the calm is spent on what the storm has piled up.
            configuration.maximumUncommittedBytes = 100 * (padding + 24)
        }
        finishesInAnyOrder = generator.chance(1, in: 3)
        configuration.snapshotPieceBytes = generator.pick(50...1_000)
        configuration.maximumInflightPieces = generator.pick(1...8)
        configuration.snapshotThresholdEntries = generator.pick(20...400)
        configuration.trailingEntries = generator.pick(0...50)
        configuration.readsFromLease = generator.chance(1, in: 2)
    }

    /// With long times a lease is trusted for long, and a mesh is long without a leader.
    private mutating func drawTimes(_ generator: inout SeededGenerator) {
        stretch = generator.pick(from: [1, 1, 1, 4, 4])
        let shortest = configuration.electionTimeoutMinimum * stretch
        configuration.electionTimeoutMinimum = shortest
        configuration.electionTimeoutMaximum = shortest / 4 * generator.pick(from: [5, 6, 8, 8])
        configuration.heartbeatInterval = .milliseconds(generator.pick(50...(75 * stretch)))
        if generator.chance(1, in: 4) { weather.usualMicroseconds = 1_000...generator.pick(20_000...Int64(100_000)) }
        if generator.chance(1, in: 3) {
            weather.lost *= 2
            weather.slow *= 3
        }
        hasExtremeClocks = generator.chance(1, in: 3)
        if hasExtremeClocks { driftPartsPerMillion = configuration.maximumClockDriftPermille * 1_000 }
        downMilliseconds = generator.pick(from: [100, 1_000, 3_000, 3_000])
    }

    /// etcd's specification has atomic disks, memberships that count from their commit, and whole logs; and its traces may
    /// not double a message. What is left: elections, transfers, delays, pauses and hanging disks. Few proposals, because a
    /// model checker reads some ten events a second.
    mutating func limitToSpecification() {
        (nodeCount, founders, hasLearners) = (3, 3, false)
        weather = .fair
        weather.usualMicroseconds = 100...5_000
        acts = [.pause, .clog, .stallDisk, .transfer]
        (stretch, configuration.readsFromLease, padding, clientCount) = (1, false, 0, 1)
        (thinkMilliseconds, pushMilliseconds, pollMilliseconds) = (200, 200, 1_000)
        configuration.snapshotThresholdEntries = 1 << 30
        let usual = RaftConfiguration()
        configuration.electionTimeoutMinimum = usual.electionTimeoutMinimum
        configuration.electionTimeoutMaximum = usual.electionTimeoutMaximum
        configuration.heartbeatInterval = usual.heartbeatInterval
    }
}
