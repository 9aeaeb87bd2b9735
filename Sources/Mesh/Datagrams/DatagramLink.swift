import Codec

/// One member as datagrams reach it: its keys, the counter of what was sent, and how both directions fare.
///
/// Invariants: `counter` only rises for as long as the process lives, whatever happens to keys, so no key ever sees a nonce
/// twice; `keys` and `offers` are bounded; only proven packets change anything but the count of offers.
struct DatagramLink: Sendable {
    struct Hello: Hashable, Sendable {
        var nonce: DatagramPacket.Nonce
        var index: UInt32
        var tries = 0
        var nextAt: Instant
    }

    let id: NodeID
    let remoteKey: [UInt8]
    var allowed: Set<DatagramPurpose>
    /// nil for a member whose key is none.
    let secrets: DatagramSecrets?
    /// The newest first; the first that is not too old sends, all of them receive.
    private(set) var keys: [DatagramKeys] = []
    /// Answers to hellos of the other side that it has not taken up yet, the oldest first.
    private(set) var offers: [DatagramKeys] = []
    var hello: Hello?
    private(set) var counter: UInt64 = 0
    var outbound = OutboundPath()
    /// One above the highest counter of the other side that came over UDP in its present life.
    private(set) var received: UInt64 = 0
    private var heardSalt: [UInt8] = []
    /// When a datagram last came, and when anything proven did.
    private(set) var heardAt: Instant?
    private(set) var provenAt: Instant?
    /// The other side says that its datagrams do not arrive here.
    private var isInboundBlocked = false
    /// Until then somebody cares.
    var activeUntil = Instant.zero
    private var offersSince = Instant.zero
    private var offersMade = 0
    /// When the other side must have its answer; nil where it waits for none.
    private(set) var answerDue: Instant?
    /// What was last told about the path.
    var toldPath: DatagramPath?

    init(id: NodeID, remoteKey: [UInt8], secrets: DatagramSecrets?, allowed: Set<DatagramPurpose>) {
        self.id = id
        self.remoteKey = remoteKey
        self.secrets = secrets
        self.allowed = allowed
    }

    private enum Flag {
        static let wantsAnswer: UInt8 = 1
        static let isBlocked: UInt8 = 2
    }

    // MARK: Sending

    func keysToSend(at now: Instant) -> DatagramKeys? { keys.first { $0.isUsable(at: now) } }

    /// Seals a packet; nil without keys. `route` tells whether it goes over UDP.
    mutating func seal(
        _ purpose: DatagramPurpose, _ content: [UInt8], overSession: Bool = false, at now: Instant
    ) -> (packet: [UInt8], counter: UInt64)? {
        guard let keys = keysToSend(at: now), counter < DatagramConstants.counterMax else { return nil }
        let number = counter
        counter += 1
        let wantsAnswer = !overSession && outbound.wantsAnswer(at: now, isAnswer: answerDue != nil)
        var plaintext: [UInt8] = [
            (wantsAnswer ? Flag.wantsAnswer : 0) | (outbound.direction == .blocked ? Flag.isBlocked : 0)
        ]
        plaintext.appendLittleEndian(received)
        plaintext += content
        if !overSession {
            outbound.sent(number, wantsAnswer: wantsAnswer, at: now)
            answerDue = nil
        }
        return (keys.seal(purpose, counter: number, plaintext), number)
    }

    /// The other side wants an answer: whatever is said next is one.
    mutating func oweAnswer(at now: Instant) {
        if answerDue == nil { answerDue = now + DatagramConstants.answerPatience }
    }

    /// Without keys there is nothing to answer with.
    mutating func forgetAnswer() { answerDue = nil }

    // MARK: Receiving

    /// What a proven packet says.
    struct Opened {
        var content: [UInt8]
        var wantsAnswer: Bool
        /// The other side has taken up an offer of this one.
        var tookOffer: Bool
    }

    /// Opens a packet for the keys with this index; nil for one that is not proven and new.
    mutating func open(
        _ packet: [UInt8], _ purpose: DatagramPurpose, index: UInt32, counter: UInt64, overSession: Bool,
        at now: Instant
    ) -> Opened? {
        var tookOffer = false
        let plaintext: [UInt8]
        let salt: [UInt8]
        if let position = keys.firstIndex(where: { $0.ownIndex == index }) {
            guard let opened = keys[position].open(packet, purpose, counter: counter) else { return nil }
            plaintext = opened
            salt = keys[position].remoteSalt
        } else if let position = offers.firstIndex(where: { $0.ownIndex == index }) {
            guard let opened = offers[position].open(packet, purpose, counter: counter) else { return nil }
            plaintext = opened
            salt = offers[position].remoteSalt
            keys.insert(offers.remove(at: position), at: 0)
            tookOffer = true
            if salt != heardSalt {
                heardSalt = salt
                received = 0
            }
        } else {
            return nil
        }
        var rest = plaintext[...]
        guard let flags = rest.popFirst(), let confirmed: UInt64 = Self.take(&rest) else { return nil }
        provenAt = now
        if overSession {
            isInboundBlocked = flags & Flag.isBlocked != 0
        } else {
            heardAt = now
            isInboundBlocked = false
            if salt == heardSalt { received = max(received, counter + 1) }
        }
        // Nobody has received what was never sent.
        if confirmed <= self.counter { _ = outbound.confirm(confirmed, at: now) }
        return Opened(
            content: Array(rest), wantsAnswer: flags & Flag.wantsAnswer != 0 && !overSession, tookOffer: tookOffer)
    }

    private static func take(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
        do throws(MeshError) { return try bytes.takeLittleEndian() } catch { return nil }
    }

    // MARK: Keys

    /// Keys of a handshake that this side began: they send at once, because the other side has offered them.
    mutating func install(_ new: DatagramKeys) {
        keys.insert(new, at: 0)
        if new.remoteSalt != heardSalt {
            heardSalt = new.remoteSalt
            received = 0
        }
    }

    /// Keys that this side offers; they receive, and send once the other side has used them.
    mutating func offer(_ new: DatagramKeys) { offers.append(new) }

    /// Whether another offer may be made; each counts.
    mutating func mayOffer(at now: Instant) -> Bool {
        if now - offersSince >= .seconds(1) {
            offersSince = now
            offersMade = 0
        }
        offersMade += 1
        return offersMade <= DatagramConstants.offersPerSecond
    }

    /// Lets go of what is too old or too much; returns the indices that mean nothing any more.
    mutating func trim(at now: Instant) -> [UInt32] {
        var gone: [UInt32] = []
        while let oldest = keys.last,
            keys.count > DatagramConstants.keysMax
                || now - oldest.madeAt >= DatagramConstants.keyAgeKept
        {
            gone.append(oldest.ownIndex)
            keys.removeLast()
        }
        while let oldest = offers.first,
            offers.count > DatagramConstants.offersMax
                || now - oldest.madeAt >= DatagramConstants.offerAgeMax
        {
            gone.append(oldest.ownIndex)
            offers.removeFirst()
        }
        return gone
    }

    /// Whether it is time for new keys.
    func wantsHandshake(at now: Instant) -> Bool {
        guard let newest = keysToSend(at: now) else { return true }
        return now - newest.madeAt
            >= (newest.isInitiator ? DatagramConstants.rekeyAge : DatagramConstants.rekeyAgeOfResponder)
    }

    // MARK: What others may ask

    func isActive(at now: Instant) -> Bool { now < activeUntil }

    func path(at now: Instant) -> DatagramPath {
        var inbound = DatagramPath.Direction.unknown
        if let heardAt, now - heardAt < DatagramConstants.heardTime { inbound = .open }
        if isInboundBlocked { inbound = .blocked }
        let hasKeys = keysToSend(at: now) != nil
        return DatagramPath(
            outbound: hasKeys ? outbound.direction : .unknown, inbound: inbound, roundTrip: outbound.roundTrip,
            hasKeys: hasKeys)
    }

    /// When time would change something.
    func deadline(at now: Instant) -> Instant {
        var next = keys.last.map { $0.madeAt + DatagramConstants.keyAgeKept } ?? .distantFuture
        if let oldest = offers.first { next = min(next, oldest.madeAt + DatagramConstants.offerAgeMax) }
        if let hello { next = min(next, isActive(at: now) ? hello.nextAt : activeUntil) }
        if let answerDue { next = min(next, answerDue) }
        if keysToSend(at: now) != nil { next = min(next, outbound.deadline(isActive: isActive(at: now))) }
        return next
    }
}
