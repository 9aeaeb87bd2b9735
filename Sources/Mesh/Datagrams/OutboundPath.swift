import Codec

/// Whether the datagrams of this node arrive at a member: what was sent, what was confirmed, and what follows from silence.
///
/// Every sealed packet says how many of the other side's came over UDP; a packet that wants an answer gets that at once,
/// through the session where it must. So a direction is judged by itself: silence of the other direction is no reason.
struct OutboundPath: Hashable, Sendable {
    struct Message: Hashable, Sendable {
        var counter: UInt64
        var purpose: DatagramPurpose
        var content: [UInt8]
    }

    private(set) var direction = DatagramPath.Direction.unknown
    /// The time there and back, smoothed.
    private(set) var roundTrip: Interval?
    /// The other side has received packets with counters below this one, the last of them certainly.
    private(set) var confirmed: UInt64 = 0
    private var confirmedAt: Instant?
    /// The first packet that wants an answer and has none: its counter, and when it was sent.
    private(set) var wanted: (UInt64, since: Instant)? {
        get { wantedSince.map { (wantedCounter, $0) } }
        set { (wantedCounter, wantedSince) = (newValue?.0 ?? 0, newValue?.since) }
    }
    private var wantedCounter: UInt64 = 0
    private var wantedSince: Instant?
    private var askedAt: Instant?
    private var retryPause = DatagramConstants.retryPauseMin
    /// Where an answer stayed away lately, others will: until then nothing is trusted to one datagram alone.
    private var lossyUntil = Instant.zero
    /// Messages that no answer has covered yet; the newest are kept.
    private var unconfirmed: [Message] = []

    /// Whether a message may go out in one datagram and nowhere else.
    func isTrusted(at now: Instant) -> Bool { direction == .open && now >= lossyUntil }

    /// Whether the next packet is to ask for an answer; one that is an answer itself does so less often.
    func wantsAnswer(at now: Instant, isAnswer: Bool = false) -> Bool {
        if wanted != nil { return askedAt.map { now - $0 >= DatagramConstants.doubtPause } ?? true }
        let age = isAnswer ? DatagramConstants.confirmationAgeOfAnswers : DatagramConstants.confirmationAge
        return confirmedAt.map { now - $0 >= age } ?? true
    }

    /// A packet went out over UDP.
    mutating func sent(_ counter: UInt64, wantsAnswer: Bool, at now: Instant) {
        guard wantsAnswer else { return }
        askedAt = now
        if wanted == nil { wanted = (counter, now) }
    }

    /// A message went out in a packet and nowhere else.
    mutating func keep(_ message: Message) {
        if unconfirmed.count == DatagramConstants.unconfirmedMax { unconfirmed.removeFirst() }
        unconfirmed.append(message)
    }

    /// The other side says that packets up to (not with) this counter came. True: the direction is open again.
    mutating func confirm(_ received: UInt64, at now: Instant) -> Bool {
        guard received > confirmed else { return false }
        confirmed = received
        confirmedAt = now
        unconfirmed.removeAll { $0.counter < received }
        if let (counter, since) = wanted, received > counter {
            // An answer to a repeated question does not say which one it answers (Karn's rule).
            if askedAt == since { measure(now - since) }
            wanted = nil
        }
        guard wanted == nil, direction != .open else { return false }
        direction = .open
        retryPause = DatagramConstants.retryPauseMin
        return true
    }

    private mutating func measure(_ sample: Interval) {
        roundTrip = roundTrip.map { ($0 * 7 + sample) / 8 } ?? sample
    }

    /// Whether the other side has confirmed anything since then.
    func isConfirmed(since time: Instant) -> Bool { confirmedAt.map { $0 >= time } ?? false }

    // MARK: Time

    private var doubtAfter: Interval {
        guard let roundTrip else { return DatagramConstants.doubtMax / 2 }
        return min(max(roundTrip * 2 + .milliseconds(50), DatagramConstants.doubtMin), DatagramConstants.doubtMax)
    }

    /// When `advance` would do something.
    func deadline(isActive: Bool) -> Instant {
        guard let (_, since) = wanted else { return .distantFuture }
        switch direction {
        case .open, .unknown: return since + doubtAfter
        case .doubtful: return min(since + DatagramConstants.silentAfter, nextQuestion)
        case .blocked: return isActive ? nextQuestion : .distantFuture
        }
    }

    private var nextQuestion: Instant {
        (askedAt ?? .zero) + (direction == .blocked ? retryPause : DatagramConstants.doubtPause)
    }

    /// What the passing of time asks for.
    struct Step: Hashable {
        /// Messages that were not confirmed and go through the session now.
        var lost: [Message] = []
        var hasChanged = false
        /// A packet that wants an answer is due.
        var asks = false
    }

    mutating func advance(at now: Instant, isActive: Bool) -> Step {
        var step = Step()
        guard let (_, since) = wanted else { return step }
        if direction == .open || direction == .unknown, now - since >= doubtAfter {
            direction = .doubtful
            lossyUntil = now + DatagramConstants.lossyTime
            step.hasChanged = true
            step.lost = unconfirmed
            unconfirmed = []
        }
        if direction == .doubtful, now - since >= DatagramConstants.silentAfter {
            direction = .blocked
            step.hasChanged = true
        }
        guard direction == .doubtful || direction == .blocked && isActive, now >= nextQuestion else { return step }
        if direction == .blocked { retryPause = min(retryPause * 2, DatagramConstants.retryPauseMax) }
        step.asks = true
        return step
    }

    /// Somebody wants to know: ask now.
    mutating func askAgain() {
        askedAt = nil
        confirmedAt = nil
        retryPause = DatagramConstants.retryPauseMin
    }
}
