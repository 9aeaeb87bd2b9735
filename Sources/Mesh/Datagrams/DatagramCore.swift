import Codec

/// Encrypted datagrams between the members of a mesh, pair by pair: who may say what, under which key, and whether it arrives.
///
/// Two nodes derive their keys from their static X25519 keys, from the random salts of their present starts and from a
/// number that each counts up with every handshake. So a node that starts again never uses a nonce again, nothing of an
/// earlier start or handshake can be played back, and no secret is shared by more than two. The price against sessions:
/// whoever steals a static key can read gossip that was recorded before.
///
/// It decides which packets to send, which to believe, and when a message goes through the session instead. It knows no
/// socket, address, clock or random source. Packets are told apart by an index that the receiver chose, so a member may
/// change its address; what is not proven is dropped without an answer, but for a hello, whose answer is shorter.
///
/// Invariants: under one key no counter is used twice; a packet is delivered at most once, and only from a member that may
/// say what it says; an address that has proven nothing gets no more bytes than it sent.
///
/// Sources: WireGuard (Donenfeld, NDSS 2017) for indices, replay and roaming; RFC 6479 for the window.
public struct DatagramCore: Sendable {
    public let id: NodeID
    /// When it wants `.timer`; nil while it has nothing to wait for.
    public private(set) var nextDeadline: Instant?
    /// Packets that were refused: not proven, played back, or of somebody who may not say it.
    public private(set) var refused: UInt64 = 0

    private let ownKey: NoiseKeyPair
    private let binding: [UInt8]
    private let salt: [UInt8]
    private var epoch: UInt64 = 0
    private var nextIndex: UInt32
    /// Never iterated where order matters.
    private(set) var links: [NodeID: DatagramLink] = [:]
    private var indices: [UInt32: NodeID] = [:]
    /// Links with a deadline, sorted.
    private var waiting: [NodeID] = []

    /// - Parameters:
    ///   - binding: the id of the mesh and its epoch: other meshes' packets are strangers'.
    ///   - salt: 16 fresh random bytes of this start of the process.
    public init(id: NodeID, key: NoiseKeyPair, binding: [UInt8], salt: [UInt8]) {
        precondition(salt.count == DatagramConstants.saltBytes, "a salt has 16 bytes")
        self.id = id
        ownKey = key
        self.binding = binding
        self.salt = salt
        // Nothing depends on it; packets of an earlier start find nobody at once.
        nextIndex = salt.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// How datagrams to and from a member fare; nil for one that is not known.
    public func path(to member: NodeID, at now: Instant) -> DatagramPath? { links[member]?.path(at: now) }

    // MARK: One turn

    public mutating func handle(_ input: DatagramInput, at now: Instant, into effects: inout [DatagramEffect]) {
        switch input {
        case .timer:
            for member in waiting { advance(member, at: now, into: &effects) }
            let later = waiting
            waiting = []
            nextDeadline = nil
            for member in later { watch(member, at: now) }
        case .received(let packet, let route): receive(packet, route, at: now, into: &effects)
        case .send(let member, let purpose, let content):
            send(purpose, content, to: member, at: now, into: &effects)
        case .probe(let member): probe(member, at: now, into: &effects)
        case .member(let member, let key, let allowed): learn(member, key: key, allowed: allowed)
        case .forget(let member): forget(member)
        }
    }

    /// Sees to it that the link's deadline is met.
    private mutating func watch(_ member: NodeID, at now: Instant) {
        guard let deadline = links[member]?.deadline(at: now), deadline < .distantFuture else { return }
        nextDeadline = min(nextDeadline ?? .distantFuture, deadline)
        var low = 0
        var high = waiting.count
        while low < high {
            let middle = (low + high) / 2
            if waiting[middle] < member { low = middle + 1 } else { high = middle }
        }
        if low == waiting.count || waiting[low] != member { waiting.insert(member, at: low) }
    }

    /// Changes a link, then sees to its deadline and tells what became of its path.
    private mutating func update(
        _ member: NodeID, at now: Instant, into effects: inout [DatagramEffect],
        _ body: (inout DatagramLink, inout [DatagramEffect]) -> Void
    ) {
        guard links[member] != nil else { return }
        body(&links[member]!, &effects)
        let gone = links[member]!.trim(at: now)
        for index in gone { indices[index] = nil }
        let path = links[member]!.path(at: now)
        if path.outbound != links[member]!.toldPath?.outbound || path.inbound != links[member]!.toldPath?.inbound {
            links[member]!.toldPath = path
            effects.append(.changed(member, path))
        }
        watch(member, at: now)
    }

    // MARK: Members

    private mutating func learn(_ member: NodeID, key: [UInt8], allowed: Set<DatagramPurpose>) {
        guard member != id else { return }
        if let known = links[member], known.remoteKey == key {
            links[member]?.allowed = allowed
            return
        }
        forget(member)
        guard links.count < DatagramConstants.linksMax else { return }
        var secrets: DatagramSecrets?
        do throws(NoiseError) {
            secrets = try DatagramSecrets(own: ownKey, remote: key, binding: binding)
        } catch {
            // Nobody can prove such a key; the session says so to whoever tries.
        }
        links[member] = DatagramLink(id: member, remoteKey: key, secrets: secrets, allowed: allowed)
    }

    private mutating func forget(_ member: NodeID) {
        guard let link = links.removeValue(forKey: member) else { return }
        for keys in link.keys + link.offers { indices[keys.ownIndex] = nil }
        if let hello = link.hello { indices[hello.index] = nil }
        waiting.removeAll { $0 == member }
    }

    private mutating func makeIndex(for member: NodeID) -> UInt32 {
        repeat { nextIndex &+= 1 } while indices[nextIndex] != nil
        indices[nextIndex] = member
        return nextIndex
    }

    private mutating func makeNonce() -> DatagramPacket.Nonce {
        epoch += 1
        return DatagramPacket.Nonce(salt: salt, epoch: epoch)
    }

    // MARK: Sending

    private mutating func send(
        _ purpose: DatagramPurpose, _ content: [UInt8], to member: NodeID, at now: Instant,
        into effects: inout [DatagramEffect]
    ) {
        guard let link = links[member], link.secrets != nil, link.allowed.contains(purpose),
            content.count <= DatagramConstants.payloadBytesMax
        else { return effects.append(.fallback(member, purpose, content)) }
        links[member]?.activeUntil = now + DatagramConstants.activeTime
        if link.wantsHandshake(at: now) { greet(member, at: now, into: &effects) }
        update(member, at: now, into: &effects) { link, effects in
            let isTrusted = link.outbound.isTrusted(at: now)
            guard link.outbound.direction != .blocked, let (packet, counter) = link.seal(purpose, content, at: now)
            else {
                return effects.append(.fallback(member, purpose, content))
            }
            effects.append(.transmit(member, packet))
            if isTrusted {
                link.outbound.keep(OutboundPath.Message(counter: counter, purpose: purpose, content: content))
            } else {
                effects.append(.fallback(member, purpose, content))
            }
        }
    }

    private mutating func probe(_ member: NodeID, at now: Instant, into effects: inout [DatagramEffect]) {
        guard let link = links[member], link.secrets != nil else { return }
        links[member]?.activeUntil = now + DatagramConstants.activeTime
        if link.keysToSend(at: now) == nil {
            links[member]?.hello?.nextAt = now
            greet(member, at: now, into: &effects)
        }
        update(member, at: now, into: &effects) { link, effects in
            link.outbound.askAgain()
            guard let (packet, _) = link.seal(.path, [], at: now) else { return }
            effects.append(.transmit(member, packet))
        }
    }

    // MARK: Time

    private mutating func advance(_ member: NodeID, at now: Instant, into effects: inout [DatagramEffect]) {
        guard let link = links[member] else { return }
        if let hello = link.hello {
            if !link.isActive(at: now) {
                indices[hello.index] = nil
                links[member]?.hello = nil
            } else if hello.nextAt <= now {
                greet(member, at: now, into: &effects)
            }
        }
        var lostKeys = false
        update(member, at: now, into: &effects) { link, effects in
            if let due = link.answerDue, due <= now {
                guard let (packet, _) = link.seal(.path, [], at: now) else { return link.forgetAnswer() }
                effects.append(.transmit(member, packet))
            }
            guard link.keysToSend(at: now) != nil else { return }
            let step = link.outbound.advance(at: now, isActive: link.isActive(at: now))
            for message in step.lost { effects.append(.fallback(member, message.purpose, message.content)) }
            let isBlocked = link.outbound.direction == .blocked
            let trusted = step.hasChanged ? DatagramConstants.silentAfter : DatagramConstants.keysTrustedTime
            lostKeys = isBlocked && (step.hasChanged || step.asks) && now - (link.provenAt ?? .zero) >= trusted
            if isBlocked, step.hasChanged || step.asks { effects.append(.mislaid(member)) }
            guard step.asks, let (packet, _) = link.seal(.path, [], at: now) else { return }
            effects.append(.transmit(member, packet))
        }
        if lostKeys, links[member]?.isActive(at: now) == true { greet(member, at: now, into: &effects) }
    }

    // MARK: Handshake

    /// Says hello, or says it again.
    private mutating func greet(_ member: NodeID, at now: Instant, into effects: inout [DatagramEffect]) {
        guard let secrets = links[member]?.secrets else { return }
        if links[member]?.hello == nil {
            let fresh = DatagramLink.Hello(nonce: makeNonce(), index: makeIndex(for: member), nextAt: now)
            links[member]?.hello = fresh
        }
        guard var hello = links[member]?.hello, hello.nextAt <= now else { return watch(member, at: now) }
        hello.tries += 1
        let pause = DatagramConstants.helloPauseMin * (1 << Int64(min(hello.tries - 1, 8)))
        hello.nextAt = now + min(pause, DatagramConstants.helloPauseMax)
        links[member]?.hello = hello
        var packet = DatagramPacket.hello(sender: id, receiver: member, index: hello.index, hello.nonce).encoded
        packet += secrets.mac(packet)
        effects.append(.transmit(member, packet))
        if hello.tries > DatagramConstants.hellosBeforeSession {
            effects.append(.post(member, packet))
            effects.append(.mislaid(member))
        }
        watch(member, at: now)
    }

    private mutating func receive(
        _ packet: [UInt8], _ route: DatagramRoute, at now: Instant, into effects: inout [DatagramEffect]
    ) {
        switch DatagramPacket(decoding: packet) {
        case nil: refused += 1
        case .hello(let sender, let receiver, let index, let nonce):
            guard receiver == id, isFrom(sender, route), let secrets = links[sender]?.secrets,
                secrets.isProven(packet)
            else { return refused += 1 }
            welcome(sender, index, nonce, secrets, route, at: now, into: &effects)
        case .welcome(let own, let index, let nonce):
            guard let sender = indices[own], isFrom(sender, route), let link = links[sender],
                let hello = link.hello, hello.index == own, let secrets = link.secrets,
                secrets.isProven(packet, answering: hello.nonce)
            else { return refused += 1 }
            takeWelcome(from: sender, hello, index, nonce, secrets, route, at: now, into: &effects)
        case .sealed(let purpose, let index, let counter):
            guard let sender = indices[index], isFrom(sender, route) else { return refused += 1 }
            open(packet, purpose, index, counter, from: sender, route, at: now, into: &effects)
        }
    }

    /// A session has proven its own end: it carries no packets of others.
    private func isFrom(_ sender: NodeID, _ route: DatagramRoute) -> Bool {
        if case .session(let proven) = route { return proven == sender }
        return true
    }

    private mutating func welcome(
        _ sender: NodeID, _ remoteIndex: UInt32, _ nonce: DatagramPacket.Nonce, _ secrets: DatagramSecrets,
        _ route: DatagramRoute, at now: Instant, into effects: inout [DatagramEffect]
    ) {
        guard var link = links[sender] else { return }
        // The keys of this hello are in use: it was under way for long, or was played back.
        guard !link.keys.contains(where: { $0.hello == nonce }) else { return }
        if let offer = link.offers.first(where: { $0.hello == nonce }) {
            return effects.append(answer(offer.welcome, sender, route))
        }
        let mayOffer = link.mayOffer(at: now)
        links[sender] = link
        guard mayOffer else { return refused += 1 }
        let own = makeNonce()
        let index = makeIndex(for: sender)
        var packet = DatagramPacket.welcome(to: remoteIndex, index: index, own).encoded
        packet += secrets.mac(packet, answering: nonce)
        effects.append(answer(packet, sender, route))
        update(sender, at: now, into: &effects) { link, effects in
            link.offer(
                DatagramKeys(
                    secrets, ownIndex: index, remoteIndex: remoteIndex, isInitiator: false, hello: nonce, answer: own,
                    welcome: packet, madeAt: now))
        }
    }

    private func answer(_ packet: [UInt8], _ sender: NodeID, _ route: DatagramRoute) -> DatagramEffect {
        switch route {
        case .socket: .answer(packet)
        case .session: .post(sender, packet)
        }
    }

    private mutating func takeWelcome(
        from sender: NodeID, _ hello: DatagramLink.Hello, _ remoteIndex: UInt32, _ nonce: DatagramPacket.Nonce,
        _ secrets: DatagramSecrets, _ route: DatagramRoute, at now: Instant, into effects: inout [DatagramEffect]
    ) {
        if route == .socket { effects.append(.located(sender)) }
        let keys = DatagramKeys(
            secrets, ownIndex: hello.index, remoteIndex: remoteIndex, isInitiator: true, hello: hello.nonce,
            answer: nonce, madeAt: now)
        update(sender, at: now, into: &effects) { link, effects in
            link.hello = nil
            link.install(keys)
            // The first packet under them lets the other side use them too.
            link.outbound.askAgain()
            if let (packet, _) = link.seal(.path, [], at: now) { effects.append(.transmit(sender, packet)) }
            if case .session = route, let (packet, _) = link.seal(.path, [], overSession: true, at: now) {
                effects.append(.post(sender, packet))
            }
        }
    }

    // MARK: Sealed packets

    private mutating func open(
        _ packet: [UInt8], _ purpose: DatagramPurpose, _ index: UInt32, _ counter: UInt64, from sender: NodeID,
        _ route: DatagramRoute, at now: Instant, into effects: inout [DatagramEffect]
    ) {
        var opened: DatagramLink.Opened?
        let isOverSession = route != .socket
        let place = effects.count
        update(sender, at: now, into: &effects) { link, _ in
            opened = link.open(
                packet, purpose, index: index, counter: counter, overSession: isOverSession, at: now)
        }
        guard let opened, let link = links[sender] else { return refused += 1 }
        if !isOverSession { effects.insert(.located(sender), at: place) }
        if opened.tookOffer, let hello = link.hello {
            // Both sides said hello; one pair of keys is enough.
            indices[hello.index] = nil
            links[sender]?.hello = nil
        }
        if purpose != .path {
            if link.allowed.contains(purpose) {
                effects.append(.deliver(sender, purpose, opened.content))
            } else {
                refused += 1
            }
        }
        guard opened.wantsAnswer else { return }
        // A message mostly has an answer of its own. A question about the path has none, and where nothing arrives the
        // answer goes through the session.
        if purpose != .path, link.outbound.direction == .open {
            return update(sender, at: now, into: &effects) { link, _ in link.oweAnswer(at: now) }
        }
        update(sender, at: now, into: &effects) { link, effects in
            if let (packet, _) = link.seal(.path, [], at: now) { effects.append(.transmit(sender, packet)) }
            guard link.outbound.direction != .open, let (packet, _) = link.seal(.path, [], overSession: true, at: now)
            else { return }
            effects.append(.post(sender, packet))
        }
    }
}
