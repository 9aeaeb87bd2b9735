/// What one record of a session says. A record holds one frame: a type byte, fields in little-endian order, content.
enum SessionFrame: Hashable, Sendable {
    /// The handshake's last message was accepted.
    case ready
    /// Answered at once with the same number.
    case ping(UInt64)
    case pong(UInt64)
    /// The session ends, and why.
    case close(String)
    /// A piece of a one-way message. Pieces of one class follow each other without others between.
    case post(TrafficClass, Fragment)
    /// The sender opens a stream: its number, what for, its class.
    case streamOpen(UInt32, kind: UInt16, TrafficClass)
    /// A piece of a stream's message.
    case streamData(UInt32, Fragment)
    /// The sender of this frame has taken so many bytes.
    case streamCredit(UInt32, UInt32)
    /// No more messages from the sender of this frame.
    case streamFinish(UInt32)
    /// Neither side says anything more on the stream.
    case streamReset(UInt32)

    /// The initiator's ephemeral X25519 key, 32 bytes: let us have new keys.
    case rekey([UInt8])
    /// The responder's ephemeral key: its next record is under the new keys.
    case rekeyAnswer([UInt8])
    /// The initiator's next record is under the new keys.
    case rekeyDone

    /// A piece of a message; the first one says what the message is.
    struct Fragment: Hashable, Sendable {
        /// On the first piece: the kind (0 on streams) and the length of the whole message in bytes.
        var start: Start?
        var isLast: Bool
        var content: ArraySlice<UInt8>
    }
    struct Start: Hashable, Sendable {
        var kind: UInt16
        var total: UInt32
    }

    enum Tag {
        static let ready: UInt8 = 0
        static let ping: UInt8 = 1
        static let pong: UInt8 = 2
        static let close: UInt8 = 3
        static let post: UInt8 = 4
        static let streamOpen: UInt8 = 5
        static let streamData: UInt8 = 6
        static let streamCredit: UInt8 = 7
        static let streamFinish: UInt8 = 8
        static let streamReset: UInt8 = 9
        static let rekey: UInt8 = 10
        static let rekeyAnswer: UInt8 = 11
        static let rekeyDone: UInt8 = 12
    }
    private enum Flag {
        static let first: UInt8 = 1
        static let last: UInt8 = 2
    }

    /// Appends the frame's bytes.
    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .ready: bytes.append(Tag.ready)
        case .ping(let number): SessionFrame.append(Tag.ping, number, to: &bytes)
        case .pong(let number): SessionFrame.append(Tag.pong, number, to: &bytes)
        case .close(let reason):
            bytes.append(Tag.close)
            bytes.append(contentsOf: SessionFrame.bounded(reason))
        case .post(let trafficClass, let fragment):
            bytes.append(Tag.post)
            bytes.append(trafficClass.rawValue)
            SessionFrame.append(fragment, to: &bytes)
        case .streamOpen(let stream, let kind, let trafficClass):
            SessionFrame.append(Tag.streamOpen, stream, to: &bytes)
            bytes.appendLittleEndian(kind)
            bytes.append(trafficClass.rawValue)
        case .streamData(let stream, let fragment):
            SessionFrame.append(Tag.streamData, stream, to: &bytes)
            SessionFrame.append(fragment, to: &bytes)
        case .streamCredit(let stream, let count):
            SessionFrame.append(Tag.streamCredit, stream, to: &bytes)
            bytes.appendLittleEndian(count)
        case .streamFinish(let stream): SessionFrame.append(Tag.streamFinish, stream, to: &bytes)
        case .streamReset(let stream): SessionFrame.append(Tag.streamReset, stream, to: &bytes)
        case .rekey(let key): bytes += [Tag.rekey] + key
        case .rekeyAnswer(let key): bytes += [Tag.rekeyAnswer] + key
        case .rekeyDone: bytes.append(Tag.rekeyDone)
        }
    }

    private static func append<Number: FixedWidthInteger>(_ tag: UInt8, _ number: Number, to bytes: inout [UInt8]) {
        bytes.append(tag)
        bytes.appendLittleEndian(number)
    }

    private static func append(_ fragment: Fragment, to bytes: inout [UInt8]) {
        bytes.append((fragment.start == nil ? 0 : Flag.first) | (fragment.isLast ? Flag.last : 0))
        if let start = fragment.start {
            bytes.appendLittleEndian(start.kind)
            bytes.appendLittleEndian(start.total)
        }
        bytes.append(contentsOf: fragment.content)
    }

    /// Reads a whole record; every byte must belong to the frame.
    static func decode(_ record: ArraySlice<UInt8>) throws(MeshError) -> SessionFrame {
        var rest = record
        let tag: UInt8 = try rest.takeLittleEndian()
        let frame: SessionFrame
        switch tag {
        case Tag.ready: frame = .ready
        case Tag.ping: frame = .ping(try rest.takeLittleEndian())
        case Tag.pong: frame = .pong(try rest.takeLittleEndian())
        case Tag.close:
            guard rest.count <= SessionConstants.reasonBytesMax else { throw .frameTooLong(rest.count) }
            return .close(printable(rest))
        case Tag.post: return .post(try takeClass(&rest), try takeFragment(rest))
        case Tag.streamOpen:
            frame = .streamOpen(try rest.takeLittleEndian(), kind: try rest.takeLittleEndian(), try takeClass(&rest))
        case Tag.streamData: return .streamData(try rest.takeLittleEndian(), try takeFragment(rest))
        case Tag.streamCredit: frame = .streamCredit(try rest.takeLittleEndian(), try rest.takeLittleEndian())
        case Tag.streamFinish: frame = .streamFinish(try rest.takeLittleEndian())
        case Tag.streamReset: frame = .streamReset(try rest.takeLittleEndian())
        case Tag.rekey: return .rekey(try takeKey(rest))
        case Tag.rekeyAnswer: return .rekeyAnswer(try takeKey(rest))
        case Tag.rekeyDone: frame = .rekeyDone
        default: throw .protocolViolation("frame type \(tag)")
        }
        guard rest.isEmpty else { throw .protocolViolation("\(rest.count) bytes too many in a frame") }
        return frame
    }

    private static func takeKey(_ bytes: ArraySlice<UInt8>) throws(MeshError) -> [UInt8] {
        guard bytes.count == NoiseConstants.keyBytes else { throw .protocolViolation("a key of \(bytes.count) bytes") }
        return Array(bytes)
    }

    private static func takeClass(_ rest: inout ArraySlice<UInt8>) throws(MeshError) -> TrafficClass {
        let number: UInt8 = try rest.takeLittleEndian()
        guard let trafficClass = TrafficClass(rawValue: number) else { throw .protocolViolation("class \(number)") }
        return trafficClass
    }

    private static func takeFragment(_ bytes: ArraySlice<UInt8>) throws(MeshError) -> Fragment {
        var rest = bytes
        let flags: UInt8 = try rest.takeLittleEndian()
        guard flags & ~(Flag.first | Flag.last) == 0 else { throw .protocolViolation("fragment flags \(flags)") }
        var start: Start?
        if flags & Flag.first != 0 {
            start = Start(kind: try rest.takeLittleEndian(), total: try rest.takeLittleEndian())
        }
        guard rest.count <= SessionConstants.fragmentBytesMax else { throw .frameTooLong(rest.count) }
        return Fragment(start: start, isLast: flags & Flag.last != 0, content: rest)
    }

    /// As much of a reason as may be said, in whole characters.
    static func bounded(_ reason: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for scalar in reason.unicodeScalars {
            let encoded = UTF8.encode(scalar).map(Array.init) ?? []
            guard bytes.count + encoded.count <= SessionConstants.reasonBytesMax else { break }
            bytes += encoded
        }
        return bytes
    }

    /// A peer's words are shown to people: nothing in them may steer a terminal.
    static func printable(_ bytes: ArraySlice<UInt8>) -> String {
        let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
        return String(String.UnicodeScalarView(scalars.map { $0.properties.isPrintable ? $0 : "?" }))
    }
}

extension Unicode.Scalar.Properties {
    fileprivate var isPrintable: Bool {
        switch generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}

extension [UInt8] {
    mutating func appendLittleEndian<Number: FixedWidthInteger>(_ number: Number) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
}

extension ArraySlice<UInt8> {
    mutating func takeLittleEndian<Number: FixedWidthInteger>() throws(MeshError) -> Number {
        let width = MemoryLayout<Number>.size
        guard count >= width else { throw .protocolViolation("a frame is cut off") }
        let number = withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(as: Number.self)) }
        removeFirst(width)
        return number
    }
}
