import Codec
import Ring
import Scheduler
import Testing
import Tokens

@testable import Node

/// Confined to its loop.
private final class Collected: @unchecked Sendable {
    var all: [NodeEffect] = []

    var stopped: [AttemptKey] {
        all.compactMap { effect in
            guard case .stop(let key, .superseded) = effect else { return nil }
            return key
        }
    }
}

@Suite("A core and its log", .timeLimit(.minutes(1)))
struct CoreDriverTests {
    private static let node = NodeID(1)

    @Test("nothing is done before the core has heard what supervisors of this host hold")
    func waitsForTheAdopted() async throws { try await onLoop(askBeforeItStarts) }

    /// A founder alone leads as soon as it is given anything to do, and would take what runs here for lost.
    private func askBeforeItStarts(_ loop: any EventLoop) async throws {
        let scratch = try ScratchDirectory()
        let thread = try DedicatedThread("raft log")
        let found = try await LogReplay(levels: .current).read(
            scratch.path, on: thread, founder: Self.node, isExpected: false
        ) { restored, state in
            NodeCore(
                id: Self.node, restored: restored, state: state, boot: 1, generation: 1, seal: .none,
                now: EventLoops.bootClock)
        }
        let driver = CoreDriver(
            core: found.core, log: found.log, logDirectory: scratch.path, logThread: thread, bootID: 1,
            signingKey: .generate(), meshKeyID: "k4.pid.lab", loop: loop)
        let effects = Collected()
        let more = LoopSignal(loop)
        driver.onEffect = {
            effects.all.append($0)
            more.notify()
        }
        let asked = Task(executorPreference: loop) {
            try await driver.propose(
                .found(meshName: "lab", meshKeyID: "k4.pid.lab", meshKey: Bytes([]), node: CoreMesh.record(1)))
        }
        driver.input(.timer)
        // What waited would have been a turn by then.
        for _ in 0..<3 {
            let round = LoopSignal(loop)
            loop.post { round.notify() }
            try await round.wait()
        }
        #expect(effects.all.isEmpty)
        let key = AttemptKey(job: JobID(7), task: 0, attempt: 1)
        driver.start(adopted: [AdoptedAttempt(key: key, at: 0)])
        #expect(try await asked.value == .node(Self.node, name: "n1"))
        while effects.stopped.isEmpty { try await more.wait() }
        // It is held, and no place of the state is its own.
        #expect(effects.stopped == [key])
        driver.stop()
        await driver.close()
    }
}
