import Codec
import Ring

/// An encrypted connection to one other host, with one-way messages and message streams. Confined to its loop.
///
/// Set the handlers before the next `await` after you got the session: nothing is read before. A session lives until it is
/// closed by either side, breaks, or falls silent; then everything that waits on it ends with the reason, and `onClosed`
/// is called once.
public final class Session: @unchecked Sendable {
    /// The other side's X25519 key, 32 bytes, proven by the handshake.
    public let remoteKey: [UInt8]
    /// This side's X25519 key, 32 bytes, that the other one knows it by.
    public let localKey: [UInt8]
    /// What the other side showed in the handshake.
    public let remotePayload: [UInt8]
    /// The hash over the handshake, 64 bytes, the same on both sides: for channel binding.
    public let handshakeHash: [UInt8]
    public let pattern: NoisePattern
    public let role: SessionRole
    /// Whether the handshake was bound to a mesh id.
    public let isBoundToMesh: Bool
    /// The cipher that both sides use.
    public let suite: NoiseSuite
    /// Where the other side is.
    public let address: SocketAddress

    /// A one-way message came: its kind and bytes.
    public var onMessage: ((UInt16, [UInt8]) -> Void)?
    /// The other side opened a stream: its kind. Whoever takes it ends it.
    public var onStream: ((UInt16, any MessageStream) -> Void)?
    /// What a message of a stream may have: less for those who have not shown yet who they are.
    public var streamMessageBytesMax = SessionConstants.messageBytesMax
    /// The session ended, and why.
    public var onClosed: ((MeshError) -> Void)?

    /// The time to the other side and back, smoothed; nil before the first answer.
    public internal(set) var roundTrip: Interval?
    /// Why the session ended; nil while it stands.
    public private(set) var closeReason: MeshError?
    /// Messages that came while `onMessage` was not set.
    public internal(set) var unhandledMessages = 0

    /// How often both sides have agreed on new keys since the handshake.
    public var exchanges: Int { channel.exchanges }
    /// When anything last came from the other side.
    public var lastHeard: Instant { reader.lastHeard }

    let loop: any EventLoop
    let socket: Int32
    let reader: SocketReader
    let configuration: SessionConfiguration
    var channel: RecordChannel
    var outbound = OutboundScheduler()
    var assemblers = TrafficClass.allCases.map { _ in MessageAssembler() }
    var streams: [UInt32: SessionStream] = [:]
    /// Even numbers are the responder's streams, odd ones the initiator's.
    private var nextStream: UInt32
    var highestRemoteStream: UInt32 = 0
    var remoteStreams = 0
    let work: LoopSignal
    private var keepAlive: TimerToken?
    /// Called after `onClosed`, by the listener that counts its sessions.
    var onReleased: (() -> Void)?

    init(
        _ loop: any EventLoop, _ socket: Int32, _ configuration: SessionConfiguration, _ address: SocketAddress,
        _ handshake: SessionHandshake.Result
    ) {
        self.loop = loop
        self.socket = socket
        self.configuration = configuration
        self.address = address
        reader = handshake.reader
        channel = handshake.channel
        remoteKey = handshake.claim.remoteKey
        localKey = handshake.localKey
        remotePayload = handshake.claim.payload
        handshakeHash = handshake.handshakeHash
        pattern = handshake.claim.pattern
        role = handshake.claim.role
        isBoundToMesh = handshake.claim.isBoundToMesh
        suite = handshake.channel.suite
        canRekey = handshake.canRekey
        keysSince = loop.now
        nextStream = role == .initiator ? 1 : 2
        work = LoopSignal(loop)
        gone = LoopSignal(loop)
    }

    /// Connects and runs the handshake: with the responder's X25519 key as a member (`ik`), without as a first contact
    /// (`xx`). The deadline covers both; it is never later than the configuration's handshake timeout.
    ///
    /// Members begin with the first cipher of the configuration, and with ChaCha20-Poly1305 where the other side does not
    /// have it or is older than the choice. Whoever pretends that on the way makes the session slower, not weaker.
    public static func connect(
        _ loop: any EventLoop, to address: SocketAddress, remoteKey: [UInt8]? = nil,
        _ configuration: SessionConfiguration, deadline: Instant? = nil
    ) async throws(MeshError) -> Session {
        let limit = min(deadline ?? .distantFuture, loop.after(configuration.handshakeTimeout))
        var suite = remoteKey == nil ? .chaChaPoly : configuration.suites.first ?? .chaChaPoly
        var cookie: [UInt8] = []
        while true {
            let shown = cookie
            do throws(MeshError) {
                return try await connect(loop, to: address, remoteKey, configuration, suite, &cookie, limit)
            } catch {
                switch error {
                case .versionUnknown(SessionConstants.version) where suite != .chaChaPoly: suite = .chaChaPoly
                case .busy where shown.isEmpty && !cookie.isEmpty: break
                default: throw error
                }
            }
        }
    }

    private static func connect(
        _ loop: any EventLoop, to address: SocketAddress, _ remoteKey: [UInt8]?,
        _ configuration: SessionConfiguration, _ suite: NoiseSuite, _ cookie: inout [UInt8], _ deadline: Instant
    ) async throws(MeshError) -> Session {
        let socket: Int32
        do throws(RingError) {
            socket = try await loop.connect(address, deadline: deadline)
        } catch {
            throw MeshError(connecting: address, error)
        }
        return try await initiate(loop, socket, address, remoteKey, configuration, suite, &cookie, deadline)
    }

    /// As `connect` as a member, over a connection that is there already. It owns the socket; `address` is what to call
    /// the other side's. There is one try: with the first cipher of the configuration, and without a cookie.
    public static func connect(
        _ loop: any EventLoop, over socket: Int32, to address: SocketAddress, remoteKey: [UInt8],
        _ configuration: SessionConfiguration, deadline: Instant
    ) async throws(MeshError) -> Session {
        var cookie: [UInt8] = []
        return try await initiate(
            loop, socket, address, remoteKey, configuration, configuration.suites.first ?? .chaChaPoly, &cookie,
            deadline)
    }

    private static func initiate(
        _ loop: any EventLoop, _ socket: Int32, _ address: SocketAddress, _ remoteKey: [UInt8]?,
        _ configuration: SessionConfiguration, _ suite: NoiseSuite, _ cookie: inout [UInt8], _ deadline: Instant
    ) async throws(MeshError) -> Session {
        let handshake = SessionHandshake(loop, socket, configuration, address, deadline: deadline)
        do throws(MeshError) {
            let result = try await handshake.initiate(remoteKey: remoteKey, suite, cookie: &cookie)
            let session = Session(loop, socket, configuration, address, result)
            session.start()
            return session
        } catch {
            loop.close(socket)
            if case .deadline = error { throw .handshakeTimeout }
            throw error
        }
    }

    /// Starts reading, writing and keeping alive; the first frame is handled after the caller's next `await`.
    func start() {
        loop.spawn("session reader") { await self.readRecords() }
        loop.spawn("session writer") { await self.writeRecords() }
        scheduleKeepAlive()
    }

    // MARK: For users

    /// Sends a one-way message. Messages of one class arrive in order. Throws `queueFull` when too much waits already.
    public func post(
        _ kind: UInt16, _ message: [UInt8], class trafficClass: TrafficClass = .control
    ) throws(MeshError) {
        if let closeReason { throw closeReason }
        try outbound.post(kind, message, trafficClass)
        work.notify()
    }

    /// What is urgent matters more than much at once: less of what comes is kept where nothing can overtake it. For a session
    /// that carries votes beside snapshots; both sides ask for it.
    public func favourUrgent() { SocketBuffer.limit(socket, bytes: SessionConstants.unreadBytesMax) }

    /// Opens a stream to the other side, whose `onStream` gets it.
    public func openStream(
        _ kind: UInt16, class trafficClass: TrafficClass = .bulk
    ) async throws(MeshError) -> any MessageStream {
        if let closeReason { throw closeReason }
        guard streams.count - remoteStreams < SessionConstants.streamsMax, nextStream < .max - 2 else {
            throw .streamsExhausted
        }
        let stream = SessionStream(self, loop, nextStream, trafficClass)
        nextStream += 2
        add(stream)
        urge(.streamOpen(stream.number, kind: kind, trafficClass))
        return stream
    }

    /// Ends the session. Control messages posted before still go out, then the reason, if the other side takes them within
    /// a second (`closed` waits for that); other classes and streams end at once.
    public func close(_ reason: String = "closed") {
        end(.closed, farewell: reason)
    }

    /// Waits until the session has ended and its last words are out.
    public func closed() async throws(MeshError) {
        do throws(RingError) {
            while !isSocketClosed { try await gone.wait() }
        } catch {
            throw MeshError(error)
        }
    }

    // MARK: The end

    /// Ends the session once: everyone who waits gets `error`; with a farewell the other side is told, too.
    func end(_ error: MeshError, farewell: String?) {
        guard closeReason == nil else { return }
        closeReason = error
        if let keepAlive { loop.cancel(keepAlive) }
        let ended = streams.values.sorted { $0.number < $1.number }
        streams = [:]
        for stream in ended { stream.fail(error) }
        if let farewell {
            self.farewell = farewell
            // The writer sends it and closes the socket; a writer that is stuck is not waited for.
            _ = loop.schedule(at: loop.after(SessionConstants.farewellTimeout)) { self.closeSocket() }
        } else {
            closeSocket()
        }
        work.notify()
        let (onClosed, onReleased) = (onClosed, onReleased)
        (self.onClosed, self.onReleased, onMessage, onStream) = (nil, nil, nil, nil)
        let notice = Notice {
            onClosed?(error)
            onReleased?()
        }
        loop.post { notice.body() }
    }

    /// Carries a closure of this loop through `post`, which stays on this loop.
    private struct Notice: @unchecked Sendable {
        let body: () -> Void
    }

    /// The reason to send when all else that still goes out has gone.
    var farewell: String?
    private let gone: LoopSignal
    private(set) var isSocketClosed = false
    func closeSocket() {
        guard !isSocketClosed else { return }
        isSocketClosed = true
        loop.close(socket)
        gone.notify()
    }

    // MARK: For streams

    func add(_ stream: SessionStream) {
        streams[stream.number] = stream
        outbound.addStream(stream.number, stream.trafficClass)
    }

    func forget(_ stream: SessionStream) {
        guard streams.removeValue(forKey: stream.number) != nil else { return }
        if isRemote(stream.number) { remoteStreams -= 1 }
        outbound.removeStream(stream.number)
    }

    func give(_ stream: SessionStream, _ message: [UInt8]) {
        outbound.give(stream.number, message)
        work.notify()
    }

    /// Messages that were posted and of which nothing has gone out, for the session that takes over; once it has ended.
    public func takeUnsent() -> [(kind: UInt16, bytes: [UInt8], class: TrafficClass)] {
        precondition(closeReason != nil, "a session that stands sends its messages itself")
        return outbound.takeUnbegun()
    }

    // MARK: New keys

    private let canRekey: Bool
    var keysSince: Instant

    /// The initiator asks for new keys when the old ones have been in use for long.
    private func renewKeys() {
        let age = loop.now - keysSince
        if channel.isExchanging {
            if age > configuration.rekeyInterval + SessionConstants.exchangeTimeout { end(.silent, farewell: nil) }
            return
        }
        guard canRekey, role == .initiator,
            age >= configuration.rekeyInterval || channel.byteCount >= configuration.rekeyBytes,
            let frame = channel.beginExchange(.generate())
        else { return }
        keysSince = loop.now - configuration.rekeyInterval
        urge(frame)
    }

    /// Queues a frame of the session itself.
    func urge(_ frame: SessionFrame) {
        guard closeReason == nil else { return }
        guard outbound.urge(frame) else {
            return end(.protocolViolation("it makes us answer more than it reads"), farewell: nil)
        }
        work.notify()
    }

    func isRemote(_ stream: UInt32) -> Bool { (stream % 2 == 0) == (role == .initiator) }

    // MARK: Keeping alive

    private func scheduleKeepAlive() {
        let now = loop.now
        // From what was heard last, or from now where that is long ago and a ping has just gone out.
        let heard = now - reader.lastHeard < configuration.keepAliveInterval ? reader.lastHeard : now
        let due = heard + configuration.keepAliveInterval
        keepAlive = loop.schedule(at: due) { [weak self] in
            guard let self, self.closeReason == nil else { return }
            let now = self.loop.now
            // After a pause of this host itself what came meanwhile has not been read yet: judge at the next turn.
            let wasPaused = now - due > self.configuration.keepAliveInterval
            guard wasPaused || now - self.reader.lastHeard <= self.configuration.silenceMax else {
                return self.end(.silent, farewell: nil)
            }
            if now - self.reader.lastHeard >= self.configuration.keepAliveInterval { self.ping() }
            self.renewKeys()
            self.scheduleKeepAlive()
        }
    }

    /// Ping now rather than at the next interval, to learn the round trip.
    public func ping() { urge(.ping(UInt64(bitPattern: loop.now.nanoseconds))) }
}
