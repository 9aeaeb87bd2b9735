import Codec
import Ring

/// Carries a Noise handshake over a socket, from the first byte to the record that confirms it. Confined to its loop.
///
/// The initiator opens with `"swarmlet" version pattern flags` (flags: bound to a mesh id; with AES-256-GCM), the responder answers `"swarmlet" version status`; then
/// come frames `type(1) length(2) bytes` with the Noise messages or a refusal. The opening and the mesh id are the Noise
/// prologue, so that a change on the way breaks the handshake. The side that reads the last Noise message sends the first
/// record (`ready`), and the other waits for it: so each side knows that it was accepted, and a replayed first message of
/// `ik` opens nothing.
struct SessionHandshake {
    /// What a finished handshake leaves behind.
    struct Result {
        var claim: SessionClaim
        var handshakeHash: [UInt8]
        var channel: RecordChannel
        var reader: SocketReader
        /// Whether the other side takes part in exchanges of keys.
        var canRekey: Bool
    }
    enum Status: UInt8 {
        case welcome = 0
        case busy = 1
        case versionUnknown = 2
        case otherMesh = 3
    }
    private enum FrameType {
        static let noise: UInt8 = 1
        static let refusal: UInt8 = 2
        static let misfit: UInt8 = 3
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
    func initiate(remoteKey: [UInt8]?, _ suite: NoiseSuite = .chaChaPoly) async throws(MeshError) -> Result {
        let pattern: NoisePattern = remoteKey == nil ? .xx : .ik
        let flags: UInt8 =
            (configuration.meshID == nil ? 0 : 1) | (suite == .aesGCM ? SessionConstants.suiteFlag : 0)
        let opening =
            SessionConstants.magic + [SessionConstants.version, SessionHandshake.number(pattern), flags]
        var noise = try SessionHandshake.noise {
            () throws(NoiseError) in
            try NoiseHandshake(
                pattern, suite, role: .initiator, prologue: opening + (configuration.meshID ?? []),
                staticKey: configuration.staticKey, ephemeralKey: .generate(), remoteStatic: remoteKey)
        }
        // At first contact the first message is not encrypted: this side shows itself in the third.
        let first = try write(&noise, pattern == .ik ? configuration.payload : [])
        do throws(MeshError) {
            try await send(opening + SessionHandshake.frame(FrameType.noise, first))
        } catch .disconnected {
            // It may have answered before it hung up.
        }
        let canRekey = try await readAnswer()
        let payload = try await readNoise(&noise)
        let claim = claim(noise, payload, isBound: configuration.meshID != nil)
        if case .reject(let reason) = await configuration.validate(claim) {
            if pattern == .xx {
                try await send(SessionHandshake.frame(FrameType.refusal, SessionFrame.bounded(reason)))
                throw .peerRejected(reason)
            }
            var channel = try makeChannel(noise)
            try await send(channel.seal(.close(reason)))
            throw .peerRejected(reason)
        }
        if pattern == .xx {
            let last = try write(&noise, configuration.payload)
            try await send(SessionHandshake.frame(FrameType.noise, last))
            var channel = try makeChannel(noise)
            try await awaitReady(&channel)
            return try finish(noise, claim, channel, canRekey: canRekey)
        }
        var channel = try makeChannel(noise)
        try await send(channel.seal(.ready))
        return try finish(noise, claim, channel, canRekey: canRekey)
    }

    /// Whether the responder takes part in exchanges of keys.
    private func readAnswer() async throws(MeshError) -> Bool {
        let answer: [UInt8]
        do throws(MeshError) {
            try await reader.require(SessionConstants.answerBytes, deadline: deadline)
            answer = Array(reader.take(SessionConstants.answerBytes))
        } catch .disconnected {
            throw .notSwarmlet(address.description)
        }
        guard answer.starts(with: SessionConstants.magic) else { throw .notSwarmlet(address.description) }
        switch Status(rawValue: answer[9]) {
        case .welcome: return answer[8] & SessionConstants.rekeyFlag != 0
        case .busy: throw .busy
        case .versionUnknown: throw .versionUnknown(answer[8])
        case .otherMesh: throw .keysDoNotFit
        case nil: throw .protocolViolation("status \(answer[9])")
        }
    }

    // MARK: Responder

    /// Runs the responder's side.
    func respond() async throws(MeshError) -> Result {
        try await reader.require(SessionConstants.openingBytes, deadline: deadline)
        let opening = Array(reader.take(SessionConstants.openingBytes))
        guard opening.starts(with: SessionConstants.magic) else { throw .protocolViolation("no swarmlet opening") }
        guard opening[8] == SessionConstants.version, let pattern = SessionHandshake.pattern(opening[9]),
            let suite = suite(opening[10])
        else {
            try await send(SessionHandshake.answer(.versionUnknown))
            throw .versionUnknown(opening[8])
        }
        let isBound = opening[10] & 1 != 0
        guard !isBound || configuration.meshID != nil else {
            try await send(SessionHandshake.answer(.otherMesh))
            throw .keysDoNotFit
        }
        try await send(SessionHandshake.answer(.welcome))
        var noise = try SessionHandshake.noise {
            () throws(NoiseError) in
            try NoiseHandshake(
                pattern, suite, role: .responder, prologue: opening + (isBound ? configuration.meshID ?? [] : []),
                staticKey: configuration.staticKey, ephemeralKey: .generate())
        }
        let firstPayload = try await readNoise(&noise)
        if pattern == .ik {
            let claim = claim(noise, firstPayload, isBound: isBound)
            if case .reject(let reason) = await configuration.validate(claim) {
                try await send(SessionHandshake.frame(FrameType.refusal, SessionFrame.bounded(reason)))
                throw .peerRejected(reason)
            }
            let second = try write(&noise, configuration.payload)
            try await send(SessionHandshake.frame(FrameType.noise, second))
            var channel = try makeChannel(noise)
            try await awaitReady(&channel)
            return try finish(noise, claim, channel, canRekey: true)
        }
        let second = try write(&noise, configuration.payload)
        try await send(SessionHandshake.frame(FrameType.noise, second))
        let payload = try await readNoise(&noise)
        let claim = claim(noise, payload, isBound: isBound)
        var channel = try makeChannel(noise)
        if case .reject(let reason) = await configuration.validate(claim) {
            try await send(channel.seal(.close(reason)))
            throw .peerRejected(reason)
        }
        try await send(channel.seal(.ready))
        return try finish(noise, claim, channel, canRekey: true)
    }

    /// The answer to an opening.
    static func answer(_ status: Status) -> [UInt8] {
        // Older initiators look at the version only where they are not welcome.
        let flag: UInt8 = status == .welcome ? SessionConstants.rekeyFlag : 0
        return SessionConstants.magic + [SessionConstants.version | flag, status.rawValue]
    }

    /// The suite that an opening asks for; nil for one that is not used here, and for flags of later versions.
    private func suite(_ flags: UInt8) -> NoiseSuite? {
        guard flags & ~(1 | SessionConstants.suiteFlag) == 0 else { return nil }
        let suite: NoiseSuite = flags & SessionConstants.suiteFlag == 0 ? .chaChaPoly : .aesGCM
        return configuration.suites.contains(suite) ? suite : nil
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
        _ noise: NoiseHandshake, _ claim: SessionClaim, _ channel: RecordChannel, canRekey: Bool
    ) throws(MeshError) -> Result {
        guard let hash = noise.handshakeHash else { throw .protocolViolation("the handshake is not finished") }
        return Result(claim: claim, handshakeHash: hash, channel: channel, reader: reader, canRekey: canRekey)
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

    private func readNoise(_ noise: inout NoiseHandshake) async throws(MeshError) -> [UInt8] {
        try await reader.require(3, deadline: deadline)
        let header = Array(reader.take(3))
        let length = Int(header[1]) | Int(header[2]) << 8
        guard length <= SessionConstants.handshakeFrameBytesMax else { throw .frameTooLong(length) }
        try await reader.require(length, deadline: deadline)
        let bytes = Array(reader.take(length))
        switch header[0] {
        case FrameType.noise: break
        case FrameType.refusal: throw .refusedByPeer(SessionFrame.printable(bytes[...]))
        case FrameType.misfit: throw .keysDoNotFit
        default: throw .protocolViolation("handshake frame type \(header[0])")
        }
        do throws(NoiseError) {
            return try noise.read(bytes)
        } catch {
            // The cause (wrong mesh, wrong key, changed bytes) cannot be told apart from here.
            if noise.role == .responder { try await send(SessionHandshake.frame(FrameType.misfit, [])) }
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

    private static func frame(_ type: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        var frame = [type]
        frame.appendLittleEndian(UInt16(bytes.count))
        return frame + bytes
    }

    private static func number(_ pattern: NoisePattern) -> UInt8 {
        switch pattern {
        case .xx: 1
        case .ik: 2
        }
    }

    private static func pattern(_ number: UInt8) -> NoisePattern? {
        NoisePattern.allCases.first { SessionHandshake.number($0) == number }
    }

    private static func noise<Value>(_ body: () throws(NoiseError) -> Value) throws(MeshError) -> Value {
        do throws(NoiseError) {
            return try body()
        } catch {
            throw .protocolViolation(error.message)
        }
    }
}
