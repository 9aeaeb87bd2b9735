/// The encrypted records of a session: `length(2) ciphertext`, one frame in each.
///
/// Both directions count their records and replace their key every `SessionConstants.recordsPerRekey` of them. Beyond
/// that the initiator may ask for keys from a new Diffie-Hellman exchange, so that a key that was stolen is worth nothing
/// after it: `rekey` and `rekeyAnswer` carry the ephemeral keys, and each side changes its sending key right after its last
/// frame of the exchange, the other its receiving key right after that frame. Records keep their order, so none is lost.
struct RecordChannel: Sendable {
    static let headerBytes = 2

    private let role: SessionRole
    private var symmetric: SymmetricState
    private var send: CipherState
    private var receive: CipherState
    /// The initiator's key of the exchange under way.
    private var ephemeral: NoiseKeyPair?
    /// Ciphers that take over with the next record after a frame of the exchange.
    private var nextSend: CipherState?
    private var nextReceive: CipherState?
    /// Bytes of records under the present keys, both directions.
    private(set) var byteCount: UInt64 = 0
    /// How often the keys came from a new exchange.
    private(set) var exchanges = 0

    /// The channel of a finished handshake. Throws `NoiseError.notFinished`.
    init(_ noise: NoiseHandshake) throws(NoiseError) {
        role = noise.role
        (send, receive) = try noise.split()
        symmetric = noise.symmetric
    }

    var suite: NoiseSuite { send.suite }
    /// Whether an exchange of keys is under way.
    var isExchanging: Bool { ephemeral != nil || nextSend != nil || nextReceive != nil }

    /// The length of the ciphertext that follows a header.
    static func length(_ header: ArraySlice<UInt8>) throws(MeshError) -> Int {
        var rest = header
        let length: UInt16 = try rest.takeLittleEndian()
        guard Int(length) > NoiseConstants.tagBytes else { throw .protocolViolation("a record of \(length) bytes") }
        return Int(length)
    }

    /// Seals what `write` appends to `bytes` as a record of its own; nothing when it appends nothing.
    mutating func seal(into bytes: inout [UInt8], _ write: (inout [UInt8]) -> Void) throws(MeshError) {
        let start = bytes.count
        bytes.append(contentsOf: [0, 0])
        write(&bytes)
        let length = bytes.count - start - RecordChannel.headerBytes
        guard length > 0 else { return bytes.removeLast(RecordChannel.headerBytes) }
        precondition(length <= NoiseConstants.recordPayloadBytesMax, "frames are cut to fit records")
        let tag = bytes[start + RecordChannel.headerBytes]
        let sealed = length + NoiseConstants.tagBytes
        bytes[start] = UInt8(truncatingIfNeeded: sealed)
        bytes[start + 1] = UInt8(truncatingIfNeeded: sealed >> 8)
        do throws(NoiseError) {
            try send.encrypt(&bytes, from: start + RecordChannel.headerBytes)
        } catch {
            throw .protocolViolation(error.message)
        }
        byteCount += UInt64(sealed)
        if tag == SessionFrame.Tag.rekeyAnswer || tag == SessionFrame.Tag.rekeyDone, let next = nextSend {
            send = next
            nextSend = nil
            finishExchange()
        } else if send.nonce % SessionConstants.recordsPerRekey == 0 {
            send.rekey()
        }
    }

    /// A record with one frame.
    mutating func seal(_ frame: SessionFrame) throws(MeshError) -> [UInt8] {
        var bytes: [UInt8] = []
        try seal(into: &bytes) { frame.encode(into: &$0) }
        return bytes
    }

    /// Opens the ciphertext that lies at `range` of `buffer`, in place.
    mutating func open(_ buffer: inout [UInt8], _ range: Range<Int>) throws(MeshError) -> SessionFrame {
        let plaintext: Range<Int>
        do throws(NoiseError) {
            plaintext = try receive.decrypt(&buffer, in: range)
        } catch {
            throw .protocolViolation(error.message)
        }
        byteCount += UInt64(range.count)
        if receive.nonce % SessionConstants.recordsPerRekey == 0 { receive.rekey() }
        return try SessionFrame.decode(buffer[plaintext])
    }

    // MARK: New keys

    /// The initiator begins an exchange with a fresh key; nil while one is under way, and for the responder.
    mutating func beginExchange(_ fresh: NoiseKeyPair) -> SessionFrame? {
        guard role == .initiator, !isExchanging else { return nil }
        ephemeral = fresh
        return .rekey(fresh.publicKey)
    }

    /// What the other side said about keys; returns what to answer.
    mutating func handleExchange(
        _ frame: SessionFrame, _ makeKey: () -> NoiseKeyPair
    ) throws(MeshError) -> SessionFrame? {
        switch frame {
        case .rekey(let theirs):
            guard role == .responder, !isExchanging else { throw .protocolViolation("an exchange of keys out of turn") }
            let own = makeKey()
            let ciphers = try mix(initiator: theirs, responder: own.publicKey, own: own, theirs: theirs)
            (nextSend, nextReceive) = (ciphers.1, ciphers.0)
            return .rekeyAnswer(own.publicKey)
        case .rekeyAnswer(let theirs):
            guard let own = ephemeral else { throw .protocolViolation("keys that were not asked for") }
            let ciphers = try mix(initiator: own.publicKey, responder: theirs, own: own, theirs: theirs)
            ephemeral = nil
            // The responder's next record is under the new key.
            receive = ciphers.1
            nextSend = ciphers.0
            return .rekeyDone
        case .rekeyDone:
            guard let next = nextReceive, nextSend == nil else {
                throw .protocolViolation("keys that were not agreed on")
            }
            receive = next
            nextReceive = nil
            finishExchange()
            return nil
        default: return nil
        }
    }

    /// The initiator's sending cipher first.
    private mutating func mix(
        initiator: [UInt8], responder: [UInt8], own: NoiseKeyPair, theirs: [UInt8]
    ) throws(MeshError) -> (CipherState, CipherState) {
        do throws(NoiseError) {
            symmetric.mixHash(initiator)
            symmetric.mixHash(responder)
            symmetric.mixKey(try own.shared(with: theirs))
        } catch {
            throw .protocolViolation(error.message)
        }
        return symmetric.split()
    }

    private mutating func finishExchange() {
        guard !isExchanging else { return }
        exchanges += 1
        byteCount = 0
    }
}
