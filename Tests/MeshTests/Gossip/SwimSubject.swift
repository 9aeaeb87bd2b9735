import Codec

@testable import Mesh
@testable import Simulation

/// One core that knows owl, crow and heron; the first two it has heard in generation 1.
struct SwimSubject {
    static let me = NodeID(1)
    static let owl = NodeID(2)
    static let crow = NodeID(3)
    static let heron = NodeID(4)

    struct Sent {
        let to: NodeID
        let message: SwimMessage
        let path: SwimPath
    }

    var core: SwimCore
    var now = Instant.zero
    /// Of the last input.
    var effects: [SwimEffect] = []

    init(others: UInt64 = 3, hearsAll: Bool = true, isSigning: Bool = true) {
        core = SwimCore(id: Self.me, generation: hearsAll ? 1 : 2, seal: .simulated(Self.me), seed: 7, now: .zero)
        handle(.members((1...others + 1).map { SwimPeer(id: NodeID($0)) }))
        if isSigning { handle(.signaturesKnown) }
        guard hearsAll else { return }
        let version = SwimVersion(generation: 1, incarnation: 2)
        for peer in [Self.owl, Self.crow] {
            hear(peer, version, tells: isSigning ? [Self.say(peer, peer, .alive, version)] : [])
        }
    }

    var sent: [Sent] {
        effects.compactMap { effect in
            guard case .send(let peer, let message, let path) = effect else { return nil }
            return Sent(to: peer, message: message, path: path)
        }
    }

    mutating func handle(_ input: SwimInput) {
        effects = []
        core.handle(input, at: now, into: &effects)
    }

    mutating func hear(
        _ sender: NodeID, _ version: SwimVersion = SwimVersion(generation: 1, incarnation: 2),
        _ kind: SwimMessage.Kind = .gossip, tells rumours: [SwimRumour] = [], over path: SwimPath = .datagram
    ) {
        handle(
            .received(from: sender, SwimMessage(kind: kind, version: version, rumours: rumours), over: path))
    }

    /// To the next deadline.
    mutating func step() {
        guard let due = core.nextDeadline else { return }
        now = max(now, due)
        handle(.timer)
    }

    mutating func pass(_ interval: Interval) {
        let end = now + interval
        while let due = core.nextDeadline, due <= end { step() }
        now = end
    }

    func sees(_ peer: NodeID) -> MemberState? { core.state(of: peer) }

    /// A word with the signature of its author.
    static func say(
        _ author: NodeID, _ subject: NodeID, _ state: MemberState, _ version: SwimVersion
    ) -> SwimRumour {
        let statement = SwimStatement(author: author, subject: subject, version: version, content: .state(state))
        return .state(
            SwimWord(
                author: author, subject: subject, version: version, state: state,
                signature: SwimSeal.signature(statement)))
    }

    static func facts(
        _ subject: NodeID, _ bytes: [UInt8], _ version: SwimVersion = SwimVersion(generation: 1, incarnation: 1)
    ) -> SwimRumour {
        let statement = SwimStatement(author: subject, subject: subject, version: version, content: .facts(bytes))
        return .facts(
            SwimFacts(subject: subject, version: version, bytes: bytes, signature: SwimSeal.signature(statement)))
    }
}
