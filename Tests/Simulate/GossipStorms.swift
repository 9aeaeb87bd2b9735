import Simulation

/// Small meshes in random trouble, as they are and with known mistakes put back.
enum GossipStorms {
    static func run(_ arguments: Arguments) -> Bool {
        let count = arguments.seed == nil ? arguments.seeds ?? 100 : 1
        var broken = 0
        for offset in 0..<count {
            let seed = arguments.seed ?? arguments.from + UInt64(offset)
            var storm = SwimStorm(seed: seed)
            let (violation, story) = storm.run()
            if arguments.tellsStory { for line in story { print(line) } }
            guard let violation else { continue }
            broken += 1
            say("gossip seed \(seed): \(violation)")
        }
        say("gossip: \(count) storms, \(broken) broken")
        return broken == 0
    }

    static func hunt(_ arguments: Arguments) -> Bool {
        let limit = arguments.seeds ?? SwimBug.seedLimit
        var missed = 0
        var worst = 0
        for bug in SwimBug.all where arguments.onlyBug ?? bug.name == bug.name {
            let name = bug.name + String(repeating: " ", count: max(0, 32 - bug.name.count))
            if let found = bug.hunt(from: arguments.from, limit: limit) {
                worst = max(worst, found.tried)
                say("\(name) found after \(found.tried) seeds (\(found.seed)): \(found.violation)")
            } else {
                missed += 1
                say("\(name) NOT FOUND in \(limit) seeds")
            }
        }
        say("gossip: \(missed) mistakes not found; the slowest of the others took \(worst) seeds")
        return missed == 0
    }
}
