import Codec
import Simulation
import Testing

@Suite struct RaftSimulationTests {
    @Test("no rule of Raft breaks in a storm, and the mesh finds together after it", arguments: UInt64(1)...4)
    func storm(seed: UInt64) {
        let outcome = RaftSimulation(seed: seed).run()
        #expect(outcome.violation == nil, "simulate raft --seed \(seed) --story tells how")
        #expect(outcome.committed > 0)
    }

    @Test("a seed always tells the same story, told or not")
    func deterministic() {
        var options = RaftSimulationOptions()
        let silent = RaftSimulation(seed: 7, options: options).run()
        options.tellsStory = true
        let told = RaftSimulation(seed: 7, options: options).run()
        #expect(silent.digest == told.digest)
        #expect(!told.story.isEmpty)
        #expect(RaftSimulation(seed: 8).run().digest != silent.digest)
    }

    /// One of each kind; the others take more seeds than a debug build has time for: `scripts/simulate raft --bugs`.
    @Test(
        "a known mistake put back is found",
        arguments: [
            "commit-older-term-by-counting", "acknowledge-before-durable", "vote-without-log-check",
            "truncate-without-conflict", "match-from-refusal", "applied-index-apart", "hard-state-unsynced",
        ])
    func bug(name: String) throws {
        let bug = try #require(RaftBug.all.first { $0.name == name })
        #expect(bug.hunt(from: bug.knownSeed, limit: 10) != nil, "\(bug.name) is not found any more")
    }
}
