/// One header of a tar archive: ustar, and what GNU tar and pax add to it (tar(5)).
struct TarHeader: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case file
        case directory
        /// Says what `link` says.
        case symlink
        /// To an earlier entry of the archive, `link`.
        case hardLink
        /// A device or a pipe.
        case special
        /// The next entry's name, or what its link says: content of this one (GNU).
        case longName, longLink
        /// Attributes of the next entry (pax).
        case attributes
        /// Of no meaning for the files of the archive.
        case passedOver
    }

    enum Flaw: Error, Hashable, Sendable {
        case checksum
        case number
    }

    static let byteCount = 512

    var name: String
    var kind: Kind
    var mode: UInt32
    /// Of the content behind it, which is padded to whole blocks.
    var size: UInt64
    var link: String
    /// Since the Unix epoch.
    var modifiedSeconds: Int64

    /// Nil for a block of zeros, which ends an archive. `block` has 512 bytes.
    init?(_ block: ArraySlice<UInt8>) throws(Flaw) {
        let bytes = Array(block)
        precondition(bytes.count == Self.byteCount)
        if bytes.allSatisfy({ $0 == 0 }) { return nil }
        var sum: UInt64 = 0
        // The field of the sum itself counts as spaces.
        for (index, byte) in bytes.enumerated() { sum += (148..<156).contains(index) ? 32 : UInt64(byte) }
        guard try Self.number(bytes[148..<156]) == sum else { throw .checksum }
        let isUstar = bytes[257..<262].elementsEqual("ustar".utf8)
        let isGNU = isUstar && bytes[262] == UInt8(ascii: " ")
        let prefix = isUstar && !isGNU ? Self.text(bytes[345..<500]) : ""
        name = (prefix.isEmpty ? "" : prefix + "/") + Self.text(bytes[0..<100])
        mode = UInt32(truncatingIfNeeded: try Self.number(bytes[100..<108]))
        size = try Self.number(bytes[124..<136])
        modifiedSeconds = Int64(clamping: try Self.number(bytes[136..<148]))
        link = Self.text(bytes[157..<257])
        switch bytes[156] {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): kind = name.hasSuffix("/") ? .directory : .file
        case UInt8(ascii: "1"): kind = .hardLink
        case UInt8(ascii: "2"): kind = .symlink
        case UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"): kind = .special
        case UInt8(ascii: "5"): kind = .directory
        case UInt8(ascii: "L"): kind = .longName
        case UInt8(ascii: "K"): kind = .longLink
        case UInt8(ascii: "x"): kind = .attributes
        default: kind = .passedOver
        }
        // Only these have content, whatever the field says.
        switch kind {
        case .directory, .symlink, .hardLink, .special: size = 0
        default: break
        }
    }

    /// How many bytes of blocks its content takes.
    var paddedSize: UInt64 {
        let (sum, overflow) = size.addingReportingOverflow(UInt64(Self.byteCount) - 1)
        return overflow ? .max : sum / UInt64(Self.byteCount) * UInt64(Self.byteCount)
    }

    /// Takes what attributes of pax say about this entry: `LENGTH NAME=VALUE` and a newline, one after the other.
    mutating func take(_ attributes: [UInt8]) throws(Flaw) {
        var rest = attributes[...]
        while let space = rest.firstIndex(of: UInt8(ascii: " ")) {
            guard let length = Int(String(decoding: rest[..<space], as: UTF8.self)),
                length > space - rest.startIndex + 1,
                length <= rest.count
            else { throw .number }
            let end = rest.startIndex + length
            let record = rest[(space + 1)..<(end - 1)]
            rest = rest[end...]
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else { throw .number }
            let value = String(decoding: record[(equals + 1)...], as: UTF8.self)
            switch String(decoding: record[..<equals], as: UTF8.self) {
            case "path": name = value
            case "linkpath": link = value
            case "size":
                guard let size = UInt64(value) else { throw .number }
                self.size = kind == .file ? size : 0
            default: continue
            }
        }
    }

    /// The names from the root to the entry; empty for the root itself, nil where it leads out of it.
    static func names(in path: String) -> [String]? {
        let names = path.split(separator: "/").map(String.init).filter { $0 != "." }
        guard !names.contains(".."), !path.utf8.contains(0), names.allSatisfy({ $0.utf8.count <= 255 }) else {
            return nil
        }
        return names
    }

    private static func text(_ field: ArraySlice<UInt8>) -> String {
        String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Octal digits, or with the highest bit set a binary number, as GNU tar writes large ones.
    private static func number(_ field: ArraySlice<UInt8>) throws(Flaw) -> UInt64 {
        if let first = field.first, first & 0x80 != 0 {
            var value = UInt64(first & 0x7f)
            for byte in field.dropFirst() {
                guard value >> 56 == 0 else { throw .number }
                value = value << 8 | UInt64(byte)
            }
            return value
        }
        var value: UInt64 = 0
        for byte in field.drop(while: { $0 == 32 }) {
            if byte == 0 || byte == 32 { break }
            guard (48...55).contains(byte) else { throw .number }
            value = value << 3 | UInt64(byte - 48)
        }
        return value
    }
}
