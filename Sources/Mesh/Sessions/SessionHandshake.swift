import Codec
import Ring

/// Carries a Noise handshake over a socket, from the first byte to the record that confirms it. Confined to its loop.
///
/// The initiator sends a `SessionOpening`, the responder a `SessionAnswer`; then come `HandshakeFrame`s with the Noise
/// messages or a refusal. The opening and the mesh id are the Noise prologue. The side that reads the last Noise message sends the first
/// record (`ready`), and the other waits for it: so each side knows that it was accepted, and a replayed first message of
/// `ik` opens nothing.
struct SessionHandshake {
    /// What a finished handshake leaves behind.
    struct Result {
        var claim: SessionClaim
        /// This side's public key in it.
        var localKey: [UInt8]
        var handshakeHash: [UInt8]
        var channel: RecordChannel
        var reader: SocketReader
        /// Whether the other side takes part in exchanges of keys.
        var canRekey: Bool
    }
    let loop: any EventLoop
    let socket: Int32
    let reader: SocketReader
    let configuration: SessionConfiguration
    let address: SocketAddress
    let deadline: Instant

    init(
        _ loop: any EventLoop, _ socket: Int32, _ configuration: SessionConfiguration, _ address: SocketAddress,
        deadline: Instant
    ) {
        self.loop = loop
        self.socket = socket
        self.configuration = configuration
        self.address = address
        self.deadline = deadline
        reader = SocketReader(loop, socket)
    }

    // MARK: Initiator

    /// Runs the initiator's side; with the responder's key it is `ik`, without `xx`.
    ///
    /// - Parameter cookie: what to show, empty at first; what the responder wants to see, where `busy` is thrown.
    func initiate(
        remoteKey: [UInt8]?, _ suite: NoiseSuite = .chaChaPoly, cookie: inout [UInt8]
    ) async throws(MeshError) -> Result {
        let pattern: NoisePattern = remoteKey == nil ? .xx : .ik
        let opening = SessionOpening(pattern, isBound: configuration.meshID != nil, suite, cookie: cookie).encoded
        var noise = try SessionHandshake.noise {
            () throws(NoiseError) in
            try NoiseHandshake(
                pattern, suite, role: .initiator, prologue: opening + (configuration.meshID ?? []),
                staticKey: configuration.staticKey, ephemeralKey: .generate(), remoteStatic: remoteKey)
        }
        // At first contact the first message is not encrypted: this side shows itself in the third.
        let padding = [UInt8](repeating: 0, count: SessionConstants.firstContactPaddingBytes)
        let first = try write(&noise, pattern == .ik ? configuration.payload : padding)
        do throws(MeshError) {
            try await send(opening + HandshakeFrame(.noise, first).encoded)
        } catch .disconnected {
            // It may have answered before it hung up.
        }
        let canRekey = try await readAnswer(&cookie)
        let payload = try await readNoise(&noise)
        let claim = claim(noise, payload, isBound: configuration.meshID != nil)
        if case .reject(let reason) = await configuration.validate(claim) {
            if pattern == .xx {
                try await send(HandshakeFrame(.refusal, SessionFrame.bounded(reason)).encoded)
                throw .peerRejected(reason)
            }
            var channel = try makeChannel(noise)
            try await send(channel.seal(.close(reason)))
            throw .peerRejected(reason)
        }
        if pattern == .xx {
            let last = try write(&noise, configuration.payload)
            try await send(HandshakeFrame(.noise, last).encoded)
            var channel = try makeChannel(noise)
            try await awaitReady(&channel)
            return try finish(noise, claim, channel, canRekey: canRekey)
        }
        var channel = try makeChannel(noise)
        try await send(channel.seal(.ready))
        return try finish(noise, claim, channel, canRekey: canRekey)
    }

    /// Whether the responder takes part in exchanges of keys.
    private func readAnswer(_ cookie: inout [UInt8]) async throws(MeshError) -> Bool {
        let bytes: [UInt8]
        do throws(MeshError) {
            try await reader.require(SessionConstants.answerBytes, deadline: deadline)
            bytes = Array(reader.take(SessionConstants.answerBytes))
        } catch .disconnected {
            throw .notSwarmlet(address.description)
        }
        guard let answer = try SessionAnswer(decoding: bytes) else { throw .notSwarmlet(address.description) }
        switch answer.status {
        case .welcome: return answer.canRekey
        case .busy: throw .busy
        case .versionUnknown: throw .versionUnknown(answer.version)
        case .otherMesh: throw .keysDoNotFit
        case .cookie:
            try await reader.require(SessionConstants.cookieBytes, deadline: deadline)
            cookie = Array(reader.take(SessionConstants.cookieBytes))
            throw .busy
        }
    }

    // MARK: Responder

    /// What somebody who connected says before anything is done for it.
    struct Knock {
        var opening: SessionOpening
        var pattern: NoisePattern
        var suite: NoiseSuite
        /// Its first Noise message.
        var message: [UInt8]
        var byteCount: Int { opening.encoded.count + HandshakeFrame.headerBytes + message.count }
    }

    /// Reads what a newcomer says first; nothing is answered to one that has not said it.
    func readKnock() async throws(MeshError) -> Knock {
        try await reader.require(SessionConstants.openingBytes, deadline: deadline)
        var opening = try SessionOpening(decoding: Array(reader.take(SessionConstants.openingBytes)))
        guard opening.version == SessionConstants.version, let pattern = opening.pattern, let suite = opening.suite,
            configuration.suites.contains(suite)
        else {
            try await send(SessionAnswer(.versionUnknown).encoded)
            throw .versionUnknown(opening.version)
        }
        guard !opening.isBound || configuration.meshID != nil else {
            try await send(SessionAnswer(.otherMesh).encoded)
            throw .keysDoNotFit
        }
        try await reader.require(opening.cookieBytes, deadline: deadline)
        opening.take(cookie: Array(reader.take(opening.cookieBytes)))
        let message = try take(try await readFrame())
        return Knock(opening: opening, pattern: pattern, suite: suite, message: message)
    }

    /// Sends a newcomer away, with the cookie that it is to come back with, or without.
    func turnAway(cookie: [UInt8] = []) async throws(MeshError) {
        try await send(SessionAnswer(cookie.isEmpty ? .busy : .cookie).encoded + cookie)
    }

    /// Runs the responder's side.
    func respond(_ knock: Knock) async throws(MeshError) -> Result {
        let (pattern, isBound) = (knock.pattern, knock.opening.isBound)
        let key = responderKey(for: knock)
        var noise = try SessionHandshake.noise { () throws(NoiseError) in try responder(knock, key) }
        try await send(SessionAnswer(.welcome).encoded)
        let firstPayload = try await read(knock.message, &noise)
        if pattern == .ik {
            let claim = claim(noise, firstPayload, isBound: isBound)
            if case .reject(let reason) = await configuration.validate(claim) {
                try await send(HandshakeFrame(.refusal, SessionFrame.bounded(reason)).encoded)
                throw .peerRejected(reason)
            }
            let second = try write(&noise, configuration.payload)
            try await send(HandshakeFrame(.noise, second).encoded)
            var channel = try makeChannel(noise)
            try await awaitReady(&channel)
            return try finish(noise, claim, channel, canRekey: true, key)
        }
        let second = HandshakeFrame(.noise, try write(&noise, configuration.payload)).encoded
        // A stranger gets no more bytes than it has sent.
        guard SessionConstants.answerBytes + second.count <= knock.byteCount else {
            throw .protocolViolation("a first message of \(knock.message.count) bytes")
        }
        try await send(second)
        let payload = try await readNoise(&noise)
        let claim = claim(noise, payload, isBound: isBound)
        var channel = try makeChannel(noise)
        if case .reject(let reason) = await configuration.validate(claim) {
            try await send(channel.seal(.close(reason)))
            throw .peerRejected(reason)
        }
        try await send(channel.seal(.ready))
        return try finish(noise, claim, channel, canRekey: true, key)
    }

    private func responder(_ knock: Knock, _ key: NoiseKeyPair) throws(NoiseError) -> NoiseHandshake {
        try NoiseHandshake(
            knock.pattern, knock.suite, role: .responder,
            prologue: knock.opening.encoded + (knock.opening.isBound ? configuration.meshID ?? [] : []),
            staticKey: key, ephemeralKey: .generate())
    }

    /// By which of its keys a member knows this side: its first message is written for that one.
    private func responderKey(for knock: Knock) -> NoiseKeyPair {
        guard knock.pattern == .ik, let otherKey = configuration.otherKey else { return configuration.staticKey }
        do throws(NoiseError) {
            var trial = try responder(knock, otherKey)
            _ = try trial.read(knock.message)
            return otherKey
        } catch {
            return configuration.staticKey
        }
    }

    // MARK: Both sides

    private func claim(_ noise: NoiseHandshake, _ payload: [UInt8], isBound: Bool) -> SessionClaim {
        guard let remoteKey = noise.remoteStatic else { preconditionFailure("the key has been read by now") }
        return SessionClaim(
            pattern: noise.pattern, role: noise.role, remoteKey: remoteKey, payload: payload,
            handshakeHash: noise.handshakeHash, isBoundToMesh: isBound, address: address.description)
    }

    private func makeChannel(_ noise: NoiseHandshake) throws(MeshError) -> RecordChannel {
        try SessionHandshake.noise { () throws(NoiseError) in
            try RecordChannel(noise)
        }
    }

    private func finish(
        _ noise: NoiseHandshake, _ claim: SessionClaim, _ channel: RecordChannel, canRekey: Bool,
        _ key: NoiseKeyPair? = nil
    ) throws(MeshError) -> Result {
        guard let hash = noise.handshakeHash else { throw .protocolViolation("the handshake is not finished") }
        return Result(
            claim: claim, localKey: (key ?? configuration.staticKey).publicKey, handshakeHash: hash, channel: channel,
            reader: reader, canRekey: canRekey)
    }

    private func awaitReady(_ channel: inout RecordChannel) async throws(MeshError) {
        try await reader.require(RecordChannel.headerBytes, deadline: deadline)
        let length = try RecordChannel.length(reader.take(RecordChannel.headerBytes))
        try await reader.require(length, deadline: deadline)
        let range = reader.skip(length)
        switch try channel.open(&reader.buffer, range) {
        case .ready: return
        case .close(let reason): throw .refusedByPeer(reason)
        default: throw .protocolViolation("a record before the handshake was confirmed")
        }
    }

    private func readFrame() async throws(MeshError) -> HandshakeFrame {
        try await reader.require(HandshakeFrame.headerBytes, deadline: deadline)
        let (kind, length) = try HandshakeFrame.header(Array(reader.take(HandshakeFrame.headerBytes)))
        try await reader.require(length, deadline: deadline)
        return HandshakeFrame(kind, Array(reader.take(length)))
    }

    /// The Noise message of a frame, or what the other side says instead.
    private func take(_ frame: HandshakeFrame) throws(MeshError) -> [UInt8] {
        switch frame.kind {
        case .noise: return frame.bytes
        case .refusal: throw .refusedByPeer(SessionFrame.printable(frame.bytes[...]))
        case .misfit: throw .keysDoNotFit
        }
    }

    private func readNoise(_ noise: inout NoiseHandshake) async throws(MeshError) -> [UInt8] {
        try await read(try take(try await readFrame()), &noise)
    }

    private func read(_ message: [UInt8], _ noise: inout NoiseHandshake) async throws(MeshError) -> [UInt8] {
        do throws(NoiseError) {
            return try noise.read(message)
        } catch {
            // The cause (wrong mesh, wrong key, changed bytes) cannot be told apart from here.
            if noise.role == .responder { try await send(HandshakeFrame(.misfit).encoded) }
            throw .keysDoNotFit
        }
    }

    private func write(_ noise: inout NoiseHandshake, _ payload: [UInt8]) throws(MeshError) -> [UInt8] {
        let message = try SessionHandshake.noise { () throws(NoiseError) in try noise.write(payload: payload) }
        guard message.count <= SessionConstants.handshakeFrameBytesMax else { throw .messageTooLong(message.count) }
        return message
    }

    private func send(_ bytes: [UInt8]) async throws(MeshError) {
        do throws(RingError) {
            try await loop.send(socket, bytes, deadline: deadline)
        } catch {
            throw MeshError(error)
        }
    }

    private static func noise<Value>(_ body: () throws(NoiseError) -> Value) throws(MeshError) -> Value {
        do throws(NoiseError) {
            return try body()
        } catch {
            throw .protocolViolation(error.message)
        }
    }
}
