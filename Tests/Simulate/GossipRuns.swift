import Codec
import Mesh
import Simulation

/// What gossip does in a large mesh, one line for each kind of trouble.
enum GossipRuns {
    /// What was seen in one mesh.
    private struct Findings {
        /// From the trouble to the first survivor that took a victim for dead, for each victim.
        var firstDetections: [Interval] = []
        /// From the trouble to the last survivor that did; nil where one did not.
        var fullDetections: [Interval?] = []
        /// Deaths of nodes that were there and heard, as any survivor saw them.
        var falseDeaths = 0
        /// From the end of the trouble until everyone saw everyone alive; nil where that did not come.
        var healing: Interval??
        var violations: [String] = []
        var messagesPerNodeAndSecond = 0.0
        var bytesPerNodeAndSecond = 0.0
    }

    static func run(_ arguments: Arguments) -> Bool {
        let count = arguments.nodes
        guard count >= 10 else {
            print("a mesh of fewer than 10 nodes shows nothing here")
            return false
        }
        let seed = arguments.seed ?? 1
        print("gossip in a mesh of \(count), seed \(seed); simulated network and clock")
        let troubles: [(String, (UInt64, Int) -> Findings)] = [
            ("nothing for 60 s", quiet), ("1 crashes", { crash($0, $1, victims: 1) }),
            ("5 % crash", { crash($0, $1, victims: max($1 / 20, 1)) }),
            ("30 % crash", { crash($0, $1, victims: $1 * 3 / 10) }),
            ("a tenth slow by 0.1 to 30 s", slow), ("two halves for 10 min", split),
            ("all restart in 30 s", massRestart),
        ]
        var allHeld = true
        for (name, trouble) in troubles {
            let findings = trouble(seed, count)
            print("  \(name): \(text(findings))")
            for violation in findings.violations.prefix(3) { print("    broken: \(violation)") }
            if !findings.violations.isEmpty || findings.healing.map({ $0 == nil }) == true { allHeld = false }
            if findings.fullDetections.contains(where: { $0 == nil }) { allHeld = false }
        }
        return allHeld
    }

    private static func text(_ findings: Findings) -> String {
        var parts: [String] = []
        if !findings.firstDetections.isEmpty {
            let first = findings.firstDetections.sorted { $0 < $1 }
            parts.append(
                "first known after \(seconds(first[first.count / 2])), slowest \(seconds(first[first.count - 1]))")
            let full = findings.fullDetections.compactMap { $0 }.sorted { $0 < $1 }
            let missed = findings.fullDetections.count - full.count
            if let last = full.last {
                parts.append("to all after \(seconds(full[full.count / 2])), slowest \(seconds(last))")
            }
            if missed > 0 { parts.append("\(missed) not known to all") }
        }
        parts.append("\(findings.falseDeaths) false deaths")
        if let healing = findings.healing {
            parts.append(healing.map { "whole after \(seconds($0))" } ?? "never whole")
        }
        parts.append(
            "\(Int(findings.messagesPerNodeAndSecond)) messages and \(Int(findings.bytesPerNodeAndSecond)) bytes")
        return parts.joined(separator: ", ") + " a node and second"
    }

    private static func seconds(_ interval: Interval) -> String {
        let tenths = (interval.milliseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10) s"
    }

    /// A mesh that has found itself.
    private static func settled(_ seed: UInt64, _ count: Int) -> SwimSimulation {
        var weather = SimulatedNetwork.Weather.fair
        weather.usualMicroseconds = 100...3_000
        weather.lost = 10
        var mesh = SwimSimulation(seed: seed, nodeCount: count, weather: weather)
        mesh.run(for: .seconds(15))
        return mesh
    }

    /// Runs for a time and takes down what it cost.
    private static func observe(
        _ mesh: inout SwimSimulation, for interval: Interval, _ findings: inout Findings
    ) {
        let before = mesh.messageCount
        mesh.run(for: interval)
        let perSecond = Double(mesh.messageCount - before) / (Double(interval.milliseconds) / 1_000)
        findings.messagesPerNodeAndSecond = perSecond / Double(mesh.nodeCount)
        findings.bytesPerNodeAndSecond = findings.messagesPerNodeAndSecond * mesh.bytesPerMessage
        findings.violations = mesh.violations
    }

    private static func quiet(_ seed: UInt64, _ count: Int) -> Findings {
        var mesh = settled(seed, count)
        var findings = Findings()
        observe(&mesh, for: .seconds(60), &findings)
        findings.falseDeaths = mesh.deaths.count
        return findings
    }

    private static func crash(_ seed: UInt64, _ count: Int, victims: Int) -> Findings {
        var mesh = settled(seed, count)
        var findings = Findings()
        let began = mesh.now
        let seen = mesh.history.count
        // The first ones: probing knows no order of numbers.
        for victim in 0..<victims { mesh.kill(victim) }
        observe(&mesh, for: .seconds(60), &findings)
        var known = [[Interval]](repeating: [], count: victims)
        for change in mesh.history.dropFirst(seen) where change.state == .dead {
            let subject = Int(change.subject.rawValue) - 1
            if subject < victims { known[subject].append(change.instant - began) } else { findings.falseDeaths += 1 }
        }
        for times in known {
            guard let first = times.first else {
                findings.fullDetections.append(nil)
                continue
            }
            findings.firstDetections.append(first)
            findings.fullDetections.append(times.count == count - victims ? times.last : nil)
        }
        return findings
    }

    private static func slow(_ seed: UInt64, _ count: Int) -> Findings {
        var mesh = settled(seed, count)
        var findings = Findings()
        var random = SeededGenerator(seed: seed)
        let slowCount = count / 10
        for node in 0..<slowCount { mesh.slow(node, by: .milliseconds(random.pick(100...30_000))) }
        observe(&mesh, for: .seconds(120), &findings)
        // What is slow by more than a suspicion lasts is rightly given up.
        findings.falseDeaths = mesh.deaths.count {
            $0.subject.rawValue > UInt64(slowCount) && $0.observer.rawValue > UInt64(slowCount)
        }
        for node in 0..<slowCount { mesh.slow(node, by: .zero) }
        findings.healing = .some(mesh.run(for: .seconds(300), until: wholeness(count)))
        return findings
    }

    private static func split(_ seed: UInt64, _ count: Int) -> Findings {
        var mesh = settled(seed, count)
        var findings = Findings()
        mesh.split { $0 % 2 }
        observe(&mesh, for: .seconds(600), &findings)
        findings.falseDeaths = mesh.deaths.count { $0.subject.rawValue % 2 == $0.observer.rawValue % 2 }
        mesh.split { _ in 0 }
        findings.healing = .some(mesh.run(for: .seconds(300), until: wholeness(count)))
        findings.violations = mesh.violations
        return findings
    }

    private static func massRestart(_ seed: UInt64, _ count: Int) -> Findings {
        var mesh = settled(seed, count)
        var findings = Findings()
        for node in 0..<count {
            mesh.kill(node)
            mesh.start(node)
            mesh.run(for: .milliseconds(max(30_000 / Int64(count), 1)))
        }
        observe(&mesh, for: .seconds(1), &findings)
        findings.healing = .some(mesh.run(for: .seconds(300), until: wholeness(count)))
        findings.falseDeaths = mesh.deaths.count
        findings.violations = mesh.violations
        return findings
    }

    /// Asks only now and then, because the question looks at every pair.
    private static func wholeness(_ count: Int) -> (SwimSimulation) -> Bool {
        var asked = Instant.zero
        return { mesh in
            guard mesh.now - asked >= .milliseconds(500) else { return false }
            asked = mesh.now
            return mesh.isAllAlive
        }
    }
}
