import Codec

/// The version of a program: one to three numbers, and for one that comes before a release what it is: `1.4.0-rc.2`. The
/// order is that of Semantic Versioning 2.0.0, section 11.
public struct ProgramVersion: Hashable, Sendable {
    public static let byteCountMax = 64

    private let numbers: [UInt32]
    /// Empty for a release.
    private let preRelease: [String]

    /// nil for what is no version; `9` is the same as `9.0.0`.
    public init?(_ text: String) {
        guard text.utf8.count <= ProgramVersion.byteCountMax else { return nil }
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let fields = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let numbers = fields.compactMap { $0.utf8.first == UInt8(ascii: "+") ? nil : UInt32($0) }
        let words = parts.dropFirst().flatMap { $0.split(separator: ".", omittingEmptySubsequences: false) }
        guard (1...3).contains(fields.count), numbers.count == fields.count,
            words.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(ProgramVersion.isWordByte) })
        else { return nil }
        self.numbers = numbers + [UInt32](repeating: 0, count: 3 - numbers.count)
        preRelease = words.map(String.init)
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// `1.4.0-rc.2`: always with three numbers.
    public var text: String {
        numbers.map(String.init).joined(separator: ".")
            + (preRelease.isEmpty ? "" : "-" + preRelease.joined(separator: "."))
    }
}

extension ProgramVersion: Comparable {
    public static func < (left: ProgramVersion, right: ProgramVersion) -> Bool {
        if left.numbers != right.numbers { return left.numbers.lexicographicallyPrecedes(right.numbers) }
        if left.preRelease.isEmpty || right.preRelease.isEmpty {
            return !left.preRelease.isEmpty && right.preRelease.isEmpty
        }
        return left.preRelease.lexicographicallyPrecedes(right.preRelease) { one, other in
            switch (UInt64(one), UInt64(other)) {
            case (let one?, let other?): one < other
            case (.some, nil): true
            case (nil, .some): false
            case (nil, nil): one.utf8.lexicographicallyPrecedes(other.utf8)
            }
        }
    }
}

extension ProgramVersion: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let text = try cbor.requireText()
        guard let version = ProgramVersion(text), version.text == text else { throw .invalid("what is no version") }
        self = version
    }

    public var cbor: CBOR { .text(text) }
}
