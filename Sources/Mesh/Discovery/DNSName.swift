import Codec

/// A domain name as its labels (RFC 1035, section 3.1), compared without regard to case in ASCII.
struct DNSName: Hashable, Sendable {
    static let labelBytesMax = 63
    static let bytesMax = 255

    var labels: [[UInt8]]

    init(_ labels: [[UInt8]]) { self.labels = labels }
    init(_ labels: String...) { self.labels = labels.map { Array($0.utf8) } }

    /// Whether this name is that one, or ends in it.
    func ends(in other: DNSName) -> Bool {
        labels.count >= other.labels.count
            && zip(labels.suffix(other.labels.count), other.labels).allSatisfy { Self.lower($0) == Self.lower($1) }
    }

    private static func lower(_ label: [UInt8]) -> [UInt8] {
        label.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    }

    func encode(into bytes: inout [UInt8]) {
        for label in labels {
            precondition((1...Self.labelBytesMax).contains(label.count), "a label has 1 to 63 bytes")
            bytes.append(UInt8(label.count))
            bytes += label
        }
        bytes.append(0)
    }

    /// The name at `position` of a message, which moves behind it. A name may end in a pointer to an earlier place; each
    /// pointer leads further back than the one before, so that none leads round in a circle. nil for what is no name.
    static func decode(_ message: [UInt8], at position: inout Int) -> DNSName? {
        var labels: [[UInt8]] = []
        var byteCount = 1
        var place = position
        var earliest = position
        var end: Int?
        while place < message.count {
            let length = Int(message[place])
            switch length & 0xC0 {
            case 0:
                guard length > 0 else {
                    position = end ?? place + 1
                    return DNSName(labels)
                }
                byteCount += length + 1
                guard place + 1 + length <= message.count, byteCount <= bytesMax else { return nil }
                labels.append(Array(message[(place + 1)..<(place + 1 + length)]))
                place += 1 + length
            case 0xC0:
                guard place + 1 < message.count else { return nil }
                let target = (length & 0x3F) << 8 | Int(message[place + 1])
                guard target < earliest else { return nil }
                end = end ?? place + 2
                earliest = target
                place = target
            default: return nil
            }
        }
        return nil
    }
}
