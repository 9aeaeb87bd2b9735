import Codec
import Mesh
import Simulation

/// What gossip does in a large mesh, one line for each kind of trouble.
enum GossipRuns {
    /// What was seen in one mesh.
    struct Findings {
        /// From the trouble to the first survivor that took a victim for dead, for each victim.
        var firstDetections: [Interval] = []
        /// From the trouble to the last survivor that did; nil where one did not.
        var fullDetections: [Interval?] = []
        /// Deaths, and suspicions, of nodes that no trouble was made for, as others like them saw them.
        var falseDeaths = 0
        var falseSuspicions = 0
        /// From the end of the trouble until everyone saw everyone alive; nil where that did not come.
        var healing: Interval??
        var violations: [String] = []
        var messagesPerNodeAndSecond = 0.0
        var bytesPerNodeAndSecond = 0.0
    }

    struct Trouble: Sendable {
        let name: String
        let text: String
        /// How long it is watched, or lasts; nil where it has its own course.
        var usualTime: Interval?
        /// By seed, members and time.
        let run: @Sendable (UInt64, Int, Interval) -> Findings
    }

    /// From here on a run of everything would take a day.
    private static let spreadOnlyFrom = 20_000

    private static let troubles = [
        Trouble(name: "quiet", text: "nothing", usualTime: .seconds(60), run: quiet),
        Trouble(name: "crash", text: "1 crashes, 10 times") { seed, count, _ in crashes(seed, count) },
        Trouble(name: "crash-5", text: "5 % crash", usualTime: .seconds(60)) {
            crash($0, $1, $2, victims: max($1 / 20, 1))
        },
        Trouble(name: "crash-30", text: "30 % crash", usualTime: .seconds(60)) {
            crash($0, $1, $2, victims: $1 * 3 / 10)
        },
        Trouble(name: "loss-5", text: "5 % of all messages lost", usualTime: .seconds(120)) {
            loss($0, $1, $2, lost: 50)
        },
        Trouble(name: "loss", text: "25 % of all messages lost", usualTime: .seconds(120)) {
            loss($0, $1, $2, lost: 250)
        },
        Trouble(name: "one-way", text: "a tenth loses half of what comes", usualTime: .seconds(120), run: oneWay),
        Trouble(name: "slow", text: "64 (at most half) slow by 0.1 to 30 s", usualTime: .seconds(120), run: slow),
        Trouble(name: "jumps", text: "a tenth's clocks jump 1 s to 1 h", usualTime: .seconds(60), run: jumps),
        Trouble(name: "doubled", text: "15 % doubled, 8 % up to 4 s late", usualTime: .seconds(60), run: doubled),
        Trouble(name: "split", text: "two halves", usualTime: .seconds(600), run: split),
        Trouble(
            name: "restart", text: "all restart in 30 s, packets of before come again", usualTime: .seconds(10),
            run: massRestart),
    ]

    static func run(_ arguments: Arguments) -> Bool {
        let count = arguments.nodes
        guard count >= 10 else {
            print("a mesh of fewer than 10 nodes shows nothing here")
            return false
        }
        let seed = arguments.seed ?? 1
        say("gossip in a mesh of \(count), seed \(seed); simulated network and clock")
        var allHeld = true
        for lost in [50, 250] where arguments.onlyBug == nil || arguments.onlyBug == "spread" {
            if !GossipSpread.run(seed, count, lost: lost) { allHeld = false }
        }
        guard count < spreadOnlyFrom else { return allHeld }
        for trouble in troubles where arguments.onlyBug ?? trouble.name == trouble.name {
            let clock = ContinuousClock()
            let start = clock.now
            let interval = arguments.seconds.map { .seconds($0) } ?? trouble.usualTime ?? .zero
            let findings = trouble.run(seed, count, interval)
            let duration = trouble.usualTime == nil ? "" : ", \(seconds(interval))"
            say("  \(trouble.text)\(duration): \(text(findings)) [\((clock.now - start).components.seconds) s]")
            for violation in findings.violations.prefix(3) { say("    broken: \(violation)") }
            if !findings.violations.isEmpty || findings.healing.map({ $0 == nil }) == true { allHeld = false }
            if findings.fullDetections.contains(where: { $0 == nil }) { allHeld = false }
        }
        return allHeld
    }

    private static func text(_ findings: Findings) -> String {
        var parts: [String] = []
        if !findings.firstDetections.isEmpty {
            parts.append("first \(spread(findings.firstDetections))")
            let full = findings.fullDetections.compactMap { $0 }
            parts.append("all \(spread(full))")
            if full.count < findings.fullDetections.count {
                parts.append("\(findings.fullDetections.count - full.count) not known to all")
            }
        }
        parts.append("\(findings.falseDeaths) false deaths, \(findings.falseSuspicions) false suspicions")
        if let healing = findings.healing {
            parts.append(healing.map { "whole after \(seconds($0))" } ?? "never whole")
        }
        parts.append(
            "\(Int(findings.messagesPerNodeAndSecond)) messages and \(Int(findings.bytesPerNodeAndSecond)) bytes")
        return parts.joined(separator: ", ") + " a node and second"
    }

    /// Median and 99.9th percentile.
    private static func spread(_ times: [Interval]) -> String {
        let sorted = times.sorted { $0 < $1 }
        guard let last = sorted.last else { return "never" }
        let late = sorted.count * 999 / 1_000
        return "\(seconds(sorted[sorted.count / 2])) / \(seconds(late < sorted.count ? sorted[late] : last))"
    }

    static func seconds(_ interval: Interval) -> String {
        let tenths = (interval.milliseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10) s"
    }

    /// A mesh in which everybody knows everybody, some seconds old, on a network that loses a hundredth.
    static func settled(_ seed: UInt64, _ count: Int, lost: Int = 10) -> SwimSimulation {
        var options = SwimSimulation.Options(seed: seed, nodeCount: count)
        options.weather.usualMicroseconds = 100...3_000
        options.weather.lost = lost
        options.isSettled = true
        var mesh = SwimSimulation(options)
        // Each that has answered takes memory at who probed it.
        mesh.run(for: count < spreadOnlyFrom ? .seconds(3) : .milliseconds(600))
        return mesh
    }

    /// Runs for a time and takes down what it cost.
    private static func observe(
        _ mesh: inout SwimSimulation, for interval: Interval, _ findings: inout Findings
    ) {
        let (messages, bytes) = (mesh.messageCount, mesh.byteCount)
        mesh.run(for: interval)
        let nodeSeconds = Double(interval.milliseconds) / 1_000 * Double(mesh.nodeCount)
        findings.messagesPerNodeAndSecond = Double(mesh.messageCount - messages) / nodeSeconds
        findings.bytesPerNodeAndSecond = Double(mesh.byteCount - bytes) / nodeSeconds
        findings.falseDeaths += mesh.tally.falseDeaths
        findings.falseSuspicions += mesh.tally.falseSuspicions
        findings.violations = mesh.violations
    }

    private static func quiet(_ seed: UInt64, _ count: Int, _ interval: Interval) -> Findings {
        var mesh = settled(seed, count)
        var findings = Findings()
        mesh.tally.begin(excused: [])
        observe(&mesh, for: interval, &findings)
        return findings
    }

    private static func crashes(_ seed: UInt64, _ count: Int) -> Findings {
        var mesh = settled(seed, count)
        var findings = Findings()
        for victim in 0..<min(10, count / 3) {
            var random = SeededGenerator(seed: seed &+ UInt64(victim))
            mesh.run(for: .milliseconds(random.pick(0...1_000)))
            mesh.tally.begin(excused: [victim])
            let began = mesh.now
            mesh.kill(victim)
            observe(&mesh, for: .seconds(20), &findings)
            collect(victim..<(victim + 1), since: began, survivors: count - victim - 1, mesh, &findings)
        }
        return findings
    }

    private static func crash(_ seed: UInt64, _ count: Int, _ interval: Interval, victims: Int) -> Findings {
        var mesh = settled(seed, count)
        var findings = Findings()
        mesh.tally.begin(excused: 0..<victims)
        let began = mesh.now
        // The first ones: probing knows no order of numbers.
        for victim in 0..<victims { mesh.kill(victim) }
        observe(&mesh, for: interval, &findings)
        collect(0..<victims, since: began, survivors: count - victims, mesh, &findings)
        return findings
    }

    private static func collect(
        _ victims: Range<Int>, since began: Instant, survivors: Int, _ mesh: SwimSimulation, _ findings: inout Findings
    ) {
        for victim in victims {
            guard let death = mesh.tally.deaths[victim] else {
                findings.fullDetections.append(nil)
                continue
            }
            findings.firstDetections.append(death.first - began)
            findings.fullDetections.append(death.observers == survivors ? death.last - began : nil)
        }
    }

    // MARK: Trouble that passes

    /// Trouble for some nodes, what it did to the others, and how long it takes until all is well again.
    private static func passing(
        _ mesh: inout SwimSimulation, excused: Range<Int>, for interval: Interval,
        begin: (inout SwimSimulation) -> Void,
        end: (inout SwimSimulation) -> Void
    ) -> Findings {
        var findings = Findings()
        mesh.tally.begin(excused: excused)
        begin(&mesh)
        observe(&mesh, for: interval, &findings)
        end(&mesh)
        findings.healing = .some(mesh.run(for: .seconds(300), until: wholeness()))
        findings.violations = mesh.violations
        return findings
    }

    private static func loss(_ seed: UInt64, _ count: Int, _ interval: Interval, lost: Int) -> Findings {
        var mesh = settled(seed, count)
        return passing(
            &mesh, excused: 0..<0, for: interval, begin: { $0.network.weather.lost = lost },
            end: { $0.network.weather.lost = 10 })
    }

    private static func oneWay(_ seed: UInt64, _ count: Int, _ interval: Interval) -> Findings {
        var mesh = settled(seed, count)
        let some = 0..<(count / 10)
        return passing(
            &mesh, excused: some, for: interval,
            begin: { mesh in for node in some { mesh.harm(node, incoming: 500, outgoing: 0) } },
            end: { mesh in for node in some { mesh.harm(node, incoming: 0, outgoing: 0) } })
    }

    private static func slow(_ seed: UInt64, _ count: Int, _ interval: Interval) -> Findings {
        var mesh = settled(seed, count)
        var random = SeededGenerator(seed: seed)
        let some = 0..<min(64, count / 2)
        return passing(
            &mesh, excused: some, for: interval,
            begin: { mesh in for node in some { mesh.slow(node, by: .milliseconds(random.pick(100...30_000))) } },
            end: { mesh in for node in some { mesh.slow(node, by: .zero) } })
    }

    private static func jumps(_ seed: UInt64, _ count: Int, _ interval: Interval) -> Findings {
        var mesh = settled(seed, count)
        var random = SeededGenerator(seed: seed)
        let some = 0..<(count / 10)
        return passing(
            &mesh, excused: 0..<0, for: interval,
            begin: { mesh in
                for node in some { mesh.jumpClock(node, by: .milliseconds(random.pick(1_000...3_600_000))) }
            }, end: { _ in })
    }

    private static func doubled(_ seed: UInt64, _ count: Int, _ interval: Interval) -> Findings {
        var mesh = settled(seed, count)
        return passing(
            &mesh, excused: 0..<0, for: interval,
            begin: { mesh in
                mesh.network.weather.doubled = 150
                mesh.network.weather.slow = 80
                mesh.network.weather.slowestMilliseconds = 4_000
                mesh.replay(200)
            },
            end: { mesh in
                mesh.network.weather.doubled = 0
                mesh.network.weather.slow = 0
                mesh.replay(200)
            })
    }

    private static func split(_ seed: UInt64, _ count: Int, _ interval: Interval) -> Findings {
        var mesh = settled(seed, count)
        return passing(
            &mesh, excused: 0..<count, for: interval, begin: { $0.split { $0 % 2 } }, end: { $0.split { _ in 0 } })
    }

    private static func massRestart(_ seed: UInt64, _ count: Int, _ interval: Interval) -> Findings {
        var mesh = settled(seed, count)
        return passing(
            &mesh, excused: 0..<0, for: interval,
            begin: { mesh in
                for node in 0..<count {
                    mesh.kill(node)
                    mesh.start(node)
                    mesh.run(for: Interval(nanoseconds: 30_000_000_000 / Int64(count)))
                }
                // What was said in the lives before, a week ago for all that anybody can tell.
                mesh.replay(1_000)
            }, end: { _ in })
    }

    /// Asks only now and then, because the question looks at every pair.
    private static func wholeness() -> (SwimSimulation) -> Bool {
        var asked = Instant.zero
        return { mesh in
            guard mesh.now - asked >= .milliseconds(500) else { return false }
            asked = mesh.now
            return mesh.isAllAlive
        }
    }
}
