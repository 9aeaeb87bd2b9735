import Codec

/// A message of multicast DNS, as far as finding a mesh needs it (RFC 1035, section 4; RFC 6762).
///
/// Any bytes can be given to `init(decoding:)`: what is no message, or too much of one, is nil. Records of other types are
/// passed over.
struct DNSMessage: Hashable, Sendable {
    /// Nothing that this host asks for or says is longer.
    static let bytesMax = 1_400
    private static let entriesMax = 64
    private static let headerBytes = 12
    private static let answerFlags: UInt16 = 0x8400
    private static let internet: UInt16 = 1
    /// Of a question: an answer to the asker alone will do. Of a record: it is the only one of its name and type.
    private static let topBit: UInt16 = 0x8000
    private static let timeToLiveSeconds: UInt32 = 10

    enum RecordType {
        static let address: UInt16 = 1
        static let pointer: UInt16 = 12
        static let text: UInt16 = 16
        static let service: UInt16 = 33
        static let any: UInt16 = 255
    }

    struct Question: Hashable, Sendable {
        var name: DNSName
        var type: UInt16
    }

    struct Record: Hashable, Sendable {
        var name: DNSName
        var content: Content
    }

    enum Content: Hashable, Sendable {
        case pointer(DNSName)
        case service(port: UInt16, target: DNSName)
        /// Strings of at most 255 bytes.
        case text([[UInt8]])
        /// IPv4.
        case address(UInt32)
    }

    var id: UInt16
    var isAnswer: Bool
    var questions: [Question] = []
    var records: [Record] = []

    init(id: UInt16, isAnswer: Bool) {
        self.id = id
        self.isAnswer = isAnswer
    }

    // MARK: Decoding

    init?(decoding bytes: [UInt8]) {
        guard bytes.count >= Self.headerBytes, bytes.count <= Self.bytesMax else { return nil }
        id = Self.number(bytes, at: 0)
        let flags = Self.number(bytes, at: 2)
        isAnswer = flags & Self.topBit != 0
        // Anything but a plain query or answer is for others.
        guard flags & 0x7800 == 0 else { return nil }
        let questionCount = Int(Self.number(bytes, at: 4))
        let recordCount = (3...5).reduce(0) { $0 + Int(Self.number(bytes, at: 2 * $1)) }
        guard questionCount + recordCount <= Self.entriesMax else { return nil }
        var position = Self.headerBytes
        for _ in 0..<questionCount {
            guard let name = DNSName.decode(bytes, at: &position), position + 4 <= bytes.count else { return nil }
            let (type, kind) = (Self.number(bytes, at: position), Self.number(bytes, at: position + 2))
            position += 4
            if kind & ~Self.topBit == Self.internet { questions.append(Question(name: name, type: type)) }
        }
        for _ in 0..<recordCount {
            guard let name = DNSName.decode(bytes, at: &position), position + 10 <= bytes.count else { return nil }
            let (type, kind) = (Self.number(bytes, at: position), Self.number(bytes, at: position + 2))
            let start = position + 10
            let end = start + Int(Self.number(bytes, at: position + 8))
            guard end <= bytes.count else { return nil }
            position = end
            guard kind & ~Self.topBit == Self.internet else { continue }
            switch Self.content(type, bytes, start, end) {
            case .unknown: continue
            case .broken: return nil
            case .known(let content): records.append(Record(name: name, content: content))
            }
        }
    }

    private enum Reading {
        case known(Content), unknown, broken
    }

    private static func content(_ type: UInt16, _ bytes: [UInt8], _ start: Int, _ end: Int) -> Reading {
        var position = start
        switch type {
        case RecordType.pointer:
            guard let name = DNSName.decode(bytes, at: &position), position == end else { return .broken }
            return .known(.pointer(name))
        case RecordType.service:
            guard end - start > 6 else { return .broken }
            position += 6
            guard let target = DNSName.decode(bytes, at: &position), position == end else { return .broken }
            return .known(.service(port: number(bytes, at: start + 4), target: target))
        case RecordType.text:
            var strings: [[UInt8]] = []
            while position < end {
                let length = Int(bytes[position])
                guard position + 1 + length <= end else { return .broken }
                strings.append(Array(bytes[(position + 1)..<(position + 1 + length)]))
                position += 1 + length
            }
            return .known(.text(strings))
        case RecordType.address:
            guard end - start == 4 else { return .broken }
            return .known(.address(bytes[start..<end].reduce(0) { $0 << 8 | UInt32($1) }))
        default: return .unknown
        }
    }

    private static func number(_ bytes: [UInt8], at position: Int) -> UInt16 {
        UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    // MARK: Encoding

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        for number in [id, isAnswer ? Self.answerFlags : 0, UInt16(questions.count), UInt16(records.count), 0, 0] {
            Self.append(number, to: &bytes)
        }
        for question in questions {
            question.name.encode(into: &bytes)
            Self.append(question.type, to: &bytes)
            Self.append(Self.internet | (isAnswer ? 0 : Self.topBit), to: &bytes)
        }
        for record in records { Self.append(record, to: &bytes) }
        return bytes
    }

    private static func append(_ record: Record, to bytes: inout [UInt8]) {
        var data: [UInt8] = []
        let type: UInt16
        switch record.content {
        case .pointer(let name):
            type = RecordType.pointer
            name.encode(into: &data)
        case .service(let port, let target):
            type = RecordType.service
            for number in [0, 0, port] { append(number, to: &data) }
            target.encode(into: &data)
        case .text(let strings):
            type = RecordType.text
            for string in strings { data += [UInt8(string.count)] + string }
        case .address(let address):
            type = RecordType.address
            data = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: address >> $0) }
        }
        record.name.encode(into: &bytes)
        append(type, to: &bytes)
        append(internet, to: &bytes)
        append(UInt16(timeToLiveSeconds >> 16), to: &bytes)
        append(UInt16(truncatingIfNeeded: timeToLiveSeconds), to: &bytes)
        append(UInt16(data.count), to: &bytes)
        bytes += data
    }

    private static func append(_ number: UInt16, to bytes: inout [UInt8]) {
        bytes += [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)]
    }
}
