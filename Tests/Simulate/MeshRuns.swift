import Simulation

/// Meshes of whole nodes.
enum MeshRuns {
    static func run(_ arguments: Arguments) -> Bool {
        var failures = 0
        var total = (steps: 0, starts: 0)
        let count = arguments.seeds ?? 100
        for offset in 0..<count {
            let mesh = MeshSimulation(seed: arguments.from + UInt64(offset))
            let broken = mesh.run()
            total.steps += mesh.stepCount
            total.starts += mesh.startCount
            guard let broken else { continue }
            failures += 1
            print("mesh seed \(mesh.seed): \(broken)")
        }
        print("mesh: \(count) seeds, \(failures) broken: \(total.steps) steps, \(total.starts) processes started")
        return failures == 0
    }

    static func tell(_ seed: UInt64, _ tellsStory: Bool, bug: String?) -> Bool {
        let mesh = MeshSimulation(seed: seed, bug: MeshBug.all.first { $0.name == bug })
        mesh.keepsStory = tellsStory
        let broken = mesh.run()
        if tellsStory { print(mesh.lastLines) }
        if let broken { print("mesh seed \(seed): \(broken)") }
        print("mesh seed \(seed): \(mesh.stepCount) steps, \(mesh.startCount) processes started")
        return broken == nil
    }

    static func hunt(_ arguments: Arguments) -> Bool {
        var missed = 0
        for bug in MeshBug.all where arguments.onlyBug ?? bug.name == bug.name {
            let name = bug.name + String(repeating: " ", count: max(0, 32 - bug.name.count))
            if let found = bug.hunt(from: arguments.from, limit: arguments.seeds ?? MeshBug.seedLimit) {
                print("\(name) found after \(found.tried) seeds (\(found.seed)): \(found.broken)")
            } else {
                missed += 1
                print("\(name) NOT FOUND in \(arguments.seeds ?? MeshBug.seedLimit) seeds")
            }
        }
        return missed == 0
    }
}
