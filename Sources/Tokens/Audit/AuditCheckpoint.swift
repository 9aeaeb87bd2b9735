import Codec

/// How long an audit log is and what its tree's root is (C2SP tlog-checkpoint): what is signed, and all that two people
/// have to compare to know that they see the same log.
public struct AuditCheckpoint: Hashable, Sendable {
    /// Longest text of a checkpoint that is read.
    static let byteCountMax = 1024

    /// Which log: a name without spaces that never changes.
    public let origin: String
    /// Entries.
    public let size: UInt64
    public let root: Digest

    public init(origin: String, size: UInt64, root: Digest) {
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// Three lines: origin, size in decimal digits, root in base64.
    public var text: String { "\(origin)\n\(size)\n\(Base64.encode(root.bytes))\n" }

    /// From the text; further lines are refused, because we have none.
    ///
    /// - Throws: `TokenError.malformed`.
    public init(text: String) throws(TokenError) {
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard text.utf8.count <= AuditCheckpoint.byteCountMax, lines.count == 4, lines[3].isEmpty, !lines[0].isEmpty,
            let size = UInt64(String(decoding: lines[1], as: UTF8.self))
        else { throw .malformed("a checkpoint has the lines origin, size and root") }
        let bytes: [UInt8]
        do { bytes = try Base64.decode(lines[2]) } catch { throw .malformed("a checkpoint's root is base64") }
        guard let root = Digest(bytes: bytes) else { throw .malformed("a checkpoint's root has 32 bytes") }
        self.init(origin: String(decoding: lines[0], as: UTF8.self), size: size, root: root)
        // One checkpoint has one text: no plus sign, no leading zeros, no bytes that are not UTF-8.
        guard self.text == text else { throw .malformed("a checkpoint is not written as it should be") }
    }
}
