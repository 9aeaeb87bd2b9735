import Codec
import Ring

/// Carries out what a `DatagramCore` asks for: packets over a port, messages to their user, time. Confined to its loop.
public final class DatagramService: @unchecked Sendable {
    /// A message came from a member that may say it.
    public var onMessage: ((NodeID, DatagramPurpose, [UInt8]) -> Void)?
    /// This message goes through the session.
    public var onFallback: ((NodeID, DatagramPurpose, [UInt8]) -> Void)?
    /// This packet goes through the session, to `received(_:overSessionWith:)` on the other side.
    public var onPost: ((NodeID, [UInt8]) -> Void)?
    /// Another opinion of a path than before.
    public var onChanged: ((NodeID, DatagramPath) -> Void)?

    private let loop: any EventLoop
    private let port: DatagramPort
    private var core: DatagramCore
    private var places: [NodeID: Place] = [:]
    /// Where the packet that the core handles now came from.
    private var source: SocketAddress?
    private var timer: TimerToken?
    private var timerDeadline = Instant.distantFuture
    private var isClosed = false

    /// Where a member may be.
    private struct Place {
        var addresses: [SocketAddress]
        var index = 0
        /// Where its last proven packet came from.
        var seen: SocketAddress?
        var address: SocketAddress? { seen ?? (addresses.isEmpty ? nil : addresses[index % addresses.count]) }
    }

    /// - Parameter binding: the id of the mesh and its epoch.
    public init(_ loop: any EventLoop, port: DatagramPort, id: NodeID, key: NoiseKeyPair, binding: [UInt8]) {
        self.loop = loop
        self.port = port
        core = DatagramCore(id: id, key: key, binding: binding, salt: Self.randomSalt())
        port.onPacket = { [weak self] packet, address in
            guard let self else { return }
            source = address
            handle(.received(packet, .socket))
            source = nil
        }
    }

    /// Lets go of the port, which stays open.
    public func close() {
        isClosed = true
        port.onPacket = nil
        if let timer { loop.cancel(timer) }
    }

    // MARK: Members

    /// Knows a member, its X25519 key and where it may be; later calls replace what was known.
    public func learn(
        _ member: NodeID, key: [UInt8], addresses: [SocketAddress],
        allowed: Set<DatagramPurpose> = Set(DatagramPurpose.allCases)
    ) {
        if places[member]?.addresses != addresses { places[member] = Place(addresses: addresses) }
        handle(.member(member, key: key, allowed: allowed))
    }

    public func forget(_ member: NodeID) {
        places[member] = nil
        handle(.forget(member))
    }

    // MARK: Messages

    /// Brings a message to a member: by datagram where these are known to arrive, else by `onFallback`.
    public func send(_ purpose: DatagramPurpose, _ content: [UInt8], to member: NodeID) {
        handle(.send(member, purpose, content))
    }

    /// A packet that the member posted through its session.
    public func received(_ packet: [UInt8], overSessionWith member: NodeID) {
        handle(.received(packet, .session(member)))
    }

    // MARK: Paths

    /// How datagrams to and from a member fare, as far as it is known now.
    public func path(to member: NodeID) -> DatagramPath? { core.path(to: member, at: loop.now) }

    /// Asks how datagrams to and from these members fare, and waits until each has answered or the time is over.
    ///
    /// A path that ends without an answer is as far as it is known then: `hasKeys` false where the member never answered.
    public func probe(
        _ members: [NodeID], patience: Interval = .seconds(2)
    ) async throws(MeshError) -> [NodeID: DatagramPath] {
        let asked = loop.now
        for member in members { handle(.probe(member)) }
        var open = members
        // Silence is judged so long after the question; a moment more for the judgement itself.
        let deadline = asked + patience + .milliseconds(100)
        while !isClosed, loop.now < deadline {
            open.removeAll { core.links[$0]?.outbound.isConfirmed(since: asked) ?? true }
            guard !open.isEmpty else { break }
            do throws(RingError) {
                try await loop.sleep(for: .milliseconds(10))
            } catch {
                throw MeshError(error)
            }
        }
        var paths: [NodeID: DatagramPath] = [:]
        for member in members { paths[member] = path(to: member) }
        return paths
    }

    // MARK: The core

    private func handle(_ input: DatagramInput) {
        guard !isClosed else { return }
        var effects: [DatagramEffect] = []
        core.handle(input, at: loop.now, into: &effects)
        for effect in effects { carryOut(effect) }
        armTimer()
    }

    private func carryOut(_ effect: DatagramEffect) {
        switch effect {
        case .transmit(let member, let packet):
            if let address = places[member]?.address { port.send(packet, to: address) }
        case .answer(let packet): if let source { port.send(packet, to: source) }
        case .post(let member, let packet): onPost?(member, packet)
        case .fallback(let member, let purpose, let content): onFallback?(member, purpose, content)
        case .deliver(let member, let purpose, let content): onMessage?(member, purpose, content)
        case .located(let member): places[member]?.seen = source
        case .mislaid(let member):
            places[member]?.seen = nil
            places[member]?.index += 1
        case .changed(let member, let path):
            onChanged?(member, path)
        }
    }

    private func armTimer() {
        let deadline = core.nextDeadline ?? .distantFuture
        if timer != nil, timerDeadline == deadline { return }
        if let timer { loop.cancel(timer) }
        timer = nil
        timerDeadline = deadline
        guard deadline < .distantFuture else { return }
        timer = loop.schedule(at: deadline) { [weak self] in
            self?.timer = nil
            self?.handle(.timer)
        }
    }
}
