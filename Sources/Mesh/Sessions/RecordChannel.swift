/// The encrypted records of a session: `length(2) ciphertext`, one frame in each.
///
/// Both directions count their records and replace their key every `SessionConstants.recordsPerRekey` of them.
struct RecordChannel: Sendable {
    static let headerBytes = 2

    private var send: CipherState
    private var receive: CipherState

    init(send: CipherState, receive: CipherState) {
        self.send = send
        self.receive = receive
    }

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
        let sealed = length + NoiseConstants.tagBytes
        bytes[start] = UInt8(truncatingIfNeeded: sealed)
        bytes[start + 1] = UInt8(truncatingIfNeeded: sealed >> 8)
        do throws(NoiseError) {
            try send.encrypt(&bytes, from: start + RecordChannel.headerBytes)
        } catch {
            throw .protocolViolation(error.message)
        }
        if send.nonce % SessionConstants.recordsPerRekey == 0 { send.rekey() }
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
        if receive.nonce % SessionConstants.recordsPerRekey == 0 { receive.rekey() }
        return try SessionFrame.decode(buffer[plaintext])
    }
}
