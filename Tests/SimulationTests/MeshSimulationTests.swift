import Simulation
import Testing

/// Whole meshes in virtual time. `scripts/simulate` runs many more seeds.
struct MeshSimulationTests {
    @Test("whatever fails, no task runs twice at once, none is lost and every job ends once", arguments: UInt64(1)...4)
    func history(seed: UInt64) {
        let mesh = MeshSimulation(seed: seed)
        // Said again by: scripts/simulate mesh --seed S --story
        if let broken = mesh.run() { Issue.record("seed \(seed): \(broken)\n\(mesh.lastLines)") }
    }

    @Test(
        "whatever fails, a token of one use starts one job, and whoever asked for it is told which",
        arguments: UInt64(1)...2)
    func tokens(seed: UInt64) {
        var settings = MeshSettings()
        settings.jobs = 4
        settings.tokens = 6
        let mesh = MeshSimulation(seed: seed, settings: settings)
        if let broken = mesh.run() { Issue.record("seed \(seed): \(broken)\n\(mesh.lastLines)") }
    }

    @Test("a seed is one history")
    func deterministic() {
        let first = MeshSimulation(seed: 42)
        let second = MeshSimulation(seed: 42)
        #expect(first.run() == second.run())
        #expect(first.lastLines == second.lastLines)
        #expect(first.stepCount == second.stepCount)
    }

    /// The others take more seeds: `scripts/simulate mesh --bugs`.
    @Test(
        "a known mistake put back is found",
        arguments: ["new-leader-forgets-leases", "forget-supervisors"])
    func bug(name: String) throws {
        let bug = try #require(MeshBug.all.first { $0.name == name })
        #expect(bug.hunt(from: bug.knownSeed, limit: 15) != nil, "\(bug.name) is not found any more")
    }
}
