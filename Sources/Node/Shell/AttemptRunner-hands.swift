import Codec
import GPUBackend
import Glibc
import Ring
import Scheduler

/// What people do beside the commands of attempts that run here. It ends with this daemon.
extension AttemptRunner {
    /// Begins something. Takes the descriptors, whatever comes of it.
    func begin(_ key: AttemptKey, _ kind: HandOrder.Kind, passing descriptors: [Int32]) throws -> Hand {
        guard let running = attempts[key], running.stage == .supervised, running.hasStarted, let link = links[key.job],
            link.version >= 2, hands.count < AttemptRunner.handsMax
        else {
            for descriptor in descriptors { close(descriptor) }
            throw APIFailure(.notRunning, of: key)
        }
        lastHand = lastHand == .max ? 1 : lastHand + 1
        let hand = Hand(key: key, number: lastHand, loop)
        hands[lastHand] = hand
        link.send(HandOrder(key: key, hand: lastHand, kind: kind), passing: descriptors)
        return hand
    }

    /// Waits until something can be done beside its command; throws where it has ended, or was never here.
    func started(_ key: AttemptKey) async throws {
        while let running = attempts[key], running.stage != .ended {
            if running.stage == .supervised, running.hasStarted, !running.isInSetup { return }
            try await node.driver.changes.wait()
        }
        throw APIFailure(.notRunning, of: key)
    }

    func signal(_ hand: Hand, _ number: Int32) {
        guard hand.end == nil, let link = links[hand.key.job] else { return }
        link.send(HandOrder(key: hand.key, hand: hand.number, kind: .signal(number)), passing: [])
    }

    func forget(_ hand: Hand) { hands[hand.number] = nil }

    func handEnded(_ number: UInt32, _ end: Hand.End) { hands[number]?.finish(end) }

    /// With an attempt ends everything beside it.
    func endHands(of key: AttemptKey) {
        for number in hands.keys.sorted() where hands[number]?.key == key {
            hands[number]?.finish(.exited(128 + SIGKILL))
        }
    }

    /// At once on this host.
    private static let handsMax = 1_024
}

/// Something that was begun beside the command of an attempt. Confined to its loop.
final class Hand: @unchecked Sendable {
    enum End {
        case exited(Int32)
        case refused(APIFailure)
    }

    let key: AttemptKey
    let number: UInt32
    private(set) var end: End?
    /// After it has ended.
    var onEnd: (() -> Void)?
    private let ended: LoopSignal

    init(key: AttemptKey, number: UInt32, _ loop: any EventLoop) {
        self.key = key
        self.number = number
        ended = LoopSignal(loop)
    }

    func finish(_ end: End) {
        guard self.end == nil else { return }
        self.end = end
        ended.notify()
        onEnd?()
    }

    /// Its exit code.
    func wait() async throws -> Int32 {
        while end == nil { try await ended.wait() }
        switch end {
        case .refused(let failure)?: throw failure
        case .exited(let code)?: return code
        case nil: return 0
        }
    }
}

extension APIFailure {
    init(_ refusal: HandRefusal, of key: AttemptKey) {
        let hint =
            switch refusal.code {
            case "job.command_not_found": "a job sees the programs of its host; those of its own: ./NAME"
            case "job.port_closed": "wait until it listens, and see what it says: swarmlet logs \(key.job)"
            case "job.not_running":
                "see where it is: swarmlet ps; one that is paused goes on with: swarmlet resume \(key.job)"
            default: "what that host can give: swarmlet doctor, there"
            }
        self.init(code: refusal.code, message: refusal.message, hint: hint, exitCode: refusal.exitCode)
    }
}
