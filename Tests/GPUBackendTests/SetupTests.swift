import Codec
import Foundation
import Testing

@testable import GPUBackend

@Suite("A setup that is kept", .serialized)
struct SetupTests {
    private func start(
        _ harness: SupervisorHarness, _ setup: String, _ command: String
    ) throws -> AttemptSpec {
        try harness.start(["/bin/sh", "-c", command]) {
            $0.setup = ["/bin/sh", "-c", setup]
            $0.keepsSetup = true
        }
    }

    private func waitForSetup(_ harness: SupervisorHarness, _ spec: AttemptSpec) throws {
        try harness.wait {
            guard case .setupEnded(spec.key, let milliseconds, let isWaiting) = $0 else { return false }
            return isWaiting && milliseconds < 10_000
        }
    }

    @Test("the command waits until the daemon has taken what the setup made")
    func waits() throws {
        let harness = try SupervisorHarness()
        let spec = try start(harness, "sleep 0.01; echo setup", "echo command")
        try waitForSetup(harness, spec)
        #expect(String(decoding: try harness.log(spec), as: UTF8.self) == "setup\n")
        try harness.send(.goOn(spec.key))
        #expect(try harness.waitForEnd(spec.key).outcome == .exited(0))
        #expect(String(decoding: try harness.log(spec), as: UTF8.self) == "setup\ncommand\n")
    }

    @Test("without a daemon nobody waits, and the next one learns that the setup has ended")
    func daemonGone() throws {
        let harness = try SupervisorHarness()
        let spec = try start(harness, "true", "sleep 30")
        try waitForSetup(harness, spec)
        harness.disconnect()
        #expect(
            try eventually {
                try harness.connect()
                defer { harness.disconnect() }
                return harness.events.contains {
                    if case .setupEnded(spec.key, _, false) = $0 { true } else { false }
                }
            })
        try harness.connect()
        try harness.send(.kill(spec.key))
        _ = try harness.waitForEnd(spec.key)
    }

    @Test("one that waits is cancelled, timed and killed as one that runs")
    func ends() throws {
        let harness = try SupervisorHarness()
        let cancelled = try start(harness, "true", "true")
        try waitForSetup(harness, cancelled)
        try harness.send(.cancel(cancelled.key, grace: nil))
        #expect(try harness.waitForEnd(cancelled.key).outcome == .cancelled)
        let timed = try harness.start(["/bin/true"]) {
            $0.setup = ["/bin/true"]
            $0.keepsSetup = true
            $0.timeLimit = .milliseconds(300)
        }
        #expect(try harness.waitForEnd(timed.key).outcome == .timeLimit)
        let killed = try start(harness, "true", "true")
        try waitForSetup(harness, killed)
        try harness.send(.kill(killed.key))
        #expect(try harness.waitForEnd(killed.key).outcome == .lost)
    }

    @Test("nothing is run beside it while it waits")
    func hands() throws {
        let harness = try SupervisorHarness()
        let spec = try start(harness, "true", "true")
        try waitForSetup(harness, spec)
        try harness.send(.hand(HandOrder(key: spec.key, hand: 7, kind: .signal(9))))
        try harness.send(.goOn(spec.key))
        #expect(try harness.waitForEnd(spec.key).outcome == .exited(0))
    }
}
