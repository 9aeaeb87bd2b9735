import Codec
import Mesh
import Simulation

/// How fast one member's news reach all others.
enum GossipSpread {
    static func run(_ seed: UInt64, _ count: Int, lost: Int) -> Bool {
        var mesh = GossipRuns.settled(seed, count)
        // Not before: suspicions of the time before would be what is measured.
        mesh.network.weather.lost = lost
        let speaker = 0
        mesh.listenedTo = SwimSimulation.id(speaker)
        let began = mesh.now
        mesh.say(speaker, [1, 2, 3])
        let all = mesh.run(for: .seconds(60)) { $0.hearings.count == count - 1 }
        let times = mesh.hearings.map { $0 - began }
        func after(_ thousandths: Int) -> String {
            let wanted = max(0, (count - 1) * thousandths / 1_000 - 1)
            return wanted < times.count ? GossipRuns.seconds(times[wanted]) : "never"
        }
        say(
            """
              news with \(lost / 10) % lost: half know after \(after(500)), 99 % after \(after(990)), \
            all after \(all.map(GossipRuns.seconds) ?? "more than 60 s")
            """)
        for violation in mesh.violations.prefix(3) { say("    broken: \(violation)") }
        return all != nil && mesh.violations.isEmpty
    }
}
