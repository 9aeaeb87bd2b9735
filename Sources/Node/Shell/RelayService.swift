import Codec
import Mesh
import Ring

/// Carries sessions between two members that cannot reach each other and both reach this one. Confined to its loop.
///
/// It passes on what it cannot read: inside is a session between the two, with a handshake and keys of their own. It
/// counts what it carries for each pair and slows a pair down that carries much. One hop only: it carries to members that
/// it reaches itself, without a relay.
final class RelayService: @unchecked Sendable {
    /// Two members, whoever asked.
    struct Pair: Hashable, Comparable, Sendable {
        let lower: NodeID
        let higher: NodeID

        init(_ one: NodeID, _ other: NodeID) { (lower, higher) = (min(one, other), max(one, other)) }

        static func < (left: Pair, right: Pair) -> Bool { (left.lower, left.higher) < (right.lower, right.higher) }
    }

    static let sessionsPerPairMax = 32
    static let sessionsMax = 256
    /// Pairs whose bytes are remembered; those that are idle go first.
    static let pairsMax = 1_024

    /// A client gives its network to nobody.
    var isWilling = true
    private let peers: Peers
    private let loop: any EventLoop
    private(set) var meters: [Pair: RelayMeter] = [:]
    private var sessions = 0

    init(_ peers: Peers) {
        self.peers = peers
        loop = peers.loop
    }

    /// Carries what comes on the stream of a member to the one that it names, and back, until either ends it.
    func serve(_ stream: any MessageStream, from source: NodeID) async throws {
        guard let bytes = try await stream.receive(), let request = RelayRequest(decoding: bytes) else {
            throw NodeError.malformedRequest("expected with whom to connect")
        }
        let pair = Pair(source, request.member)
        if let reason = refusal(of: pair) {
            try await stream.send(RelayAnswer.refused(reason).encoded)
            return await stream.finish()
        }
        begin(pair)
        defer { end(pair) }
        let onward = try await peers.openRelayed(to: request.member, for: request.purpose)
        do {
            try await onward.send(RelayRequest(source, request.purpose).encoded)
            try await stream.send(RelayAnswer.carried.encoded)
        } catch {
            onward.cancel()
            throw error
        }
        // What carries votes and leases may run into debt before it waits.
        let debtMax = request.purpose == .messages ? RelayMeter.burstBytes : 0
        let back = loop.spawn("relay back") { [self] in await carry(onward, stream, pair, debtMax) }
        await carry(stream, onward, pair, debtMax)
        await back.value
    }

    private func refusal(of pair: Pair) -> String? {
        guard isWilling else { return "this is a client" }
        guard pair.lower != pair.higher, peers.isDirect(pair.lower), peers.isDirect(pair.higher) else {
            return "it is not connected here"
        }
        guard sessions < Self.sessionsMax, meters[pair]?.sessions ?? 0 < Self.sessionsPerPairMax else {
            return "too much is carried already"
        }
        return nil
    }

    private func begin(_ pair: Pair) {
        if meters[pair] == nil {
            if meters.count >= Self.pairsMax,
                let idle = meters.keys.sorted().first(where: { meters[$0]?.sessions == 0 })
            {
                meters[idle] = nil
            }
            meters[pair] = RelayMeter(at: loop.now)
        }
        meters[pair]?.sessions += 1
        sessions += 1
    }

    private func end(_ pair: Pair) {
        meters[pair]?.sessions -= 1
        sessions -= 1
    }

    /// Until one of the two ends; then both do.
    private func carry(_ source: any MessageStream, _ target: any MessageStream, _ pair: Pair, _ debtMax: Int64) async {
        do {
            while let bytes = try await source.receive() {
                let wait = meters[pair]?.charge(bytes.count, debtMax: debtMax, at: loop.now) ?? .zero
                if wait > .zero { try await loop.sleep(for: wait) }
                try await target.send(bytes)
            }
        } catch {
            // The end of either is the end of the session inside; its two ends find out by themselves.
        }
        source.cancel()
        target.cancel()
    }
}
