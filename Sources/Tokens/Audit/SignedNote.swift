import CSodium
import Codec

/// A short text with the signatures of some (C2SP signed-note), as others' tools read and check it.
///
/// What is signed begins with a line of text, so it is never what a purpose of ours signs, which begins with a number.
public struct SignedNote: Hashable, Sendable {
    /// Who signs how.
    public enum Kind: UInt8, Sendable {
        /// Whoever keeps the log: over the text (type 1).
        case log = 1
        /// Who has seen the same log: over the time and the text (type 4, cosignature/v1).
        case witness = 4
    }

    /// One line below the text.
    public struct Signature: Hashable, Sendable {
        /// Of the signer, without spaces and plus signs.
        public let name: String
        /// Tells keys of one name apart; proves nothing.
        public let keyHash: [UInt8]
        /// 64 bytes, for a witness after 8 of the time in seconds since the Unix epoch, the highest first.
        public let bytes: [UInt8]
    }

    static let byteCountMax = 16 << 10
    static let signaturesMax = 64
    private static let mark = "\u{2014} "

    /// Ends with a line feed and has no empty line.
    public let text: String
    public private(set) var signatures: [Signature]

    public init(text: String) {
        precondition(text.utf8.last == UInt8(ascii: "\n"), "a note ends with a line feed")
        self.text = text
        signatures = []
    }

    /// Adds the signature of the log's keeper.
    public mutating func sign(name: String, with key: SigningKey) {
        add(name, .log, key.publicKey, key.sign(Array(text.utf8)))
    }

    /// Adds a cosignature.
    ///
    /// - Parameter time: seconds since the Unix epoch.
    public mutating func cosign(name: String, with key: SigningKey, time: UInt64) {
        add(name, .witness, key.publicKey, SignedNote.bytes(of: time) + key.sign(cosigned(time)))
    }

    /// Whether the keeper of the log with this name and key has signed.
    public func isSigned(by name: String, _ key: PublicKey) -> Bool {
        lines(of: name, .log, key).contains { key.verify($0.bytes, of: Array(text.utf8)) }
    }

    /// When the witness with this name and key has signed, in seconds since the Unix epoch; nil where it has not.
    public func cosigned(by name: String, _ key: PublicKey) -> UInt64? {
        for line in lines(of: name, .witness, key) where line.bytes.count == 8 + SigningKey.signatureByteCount {
            let time = line.bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            if key.verify(Array(line.bytes.dropFirst(8)), of: cosigned(time)) { return time }
        }
        return nil
    }

    private func lines(of name: String, _ kind: Kind, _ key: PublicKey) -> [Signature] {
        let hash = SignedNote.keyHash(name, kind, key)
        return signatures.filter { $0.name == name && $0.keyHash == hash }
    }

    private mutating func add(_ name: String, _ kind: Kind, _ key: PublicKey, _ bytes: [UInt8]) {
        signatures.append(Signature(name: name, keyHash: SignedNote.keyHash(name, kind, key), bytes: bytes))
    }

    private func cosigned(_ time: UInt64) -> [UInt8] { Array("cosignature/v1\ntime \(time)\n\(text)".utf8) }

    private static func bytes(of time: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: time >> UInt64(56 - 8 * $0)) }
    }

    /// The first four bytes of SHA-256 over name, line feed, type and key.
    private static func keyHash(_ name: String, _ kind: Kind, _ key: PublicKey) -> [UInt8] {
        let input = Array(name.utf8) + [UInt8(ascii: "\n"), kind.rawValue] + key.bytes
        var hash = [UInt8](repeating: 0, count: Int(crypto_hash_sha256_BYTES))
        crypto_hash_sha256(&hash, input, UInt64(input.count))
        return Array(hash[..<4])
    }
}

extension SignedNote {
    /// The text, an empty line, and a line for each signature.
    public var note: String {
        signatures.reduce(text + "\n") { note, signature in
            note + SignedNote.mark + signature.name + " " + Base64.encode(signature.keyHash + signature.bytes) + "\n"
        }
    }

    /// From a whole note. Its signatures have not been checked.
    ///
    /// - Throws: `TokenError.malformed`.
    public init(note: String) throws(TokenError) {
        let bytes = Array(note.utf8)
        guard bytes.count <= SignedNote.byteCountMax, bytes.last == UInt8(ascii: "\n") else {
            throw .malformed("a signed note has at most 16 KiB and ends with a line feed")
        }
        let end = bytes.indices.last { $0 > 0 && bytes[$0] == UInt8(ascii: "\n") && bytes[$0 - 1] == bytes[$0] }
        guard let end, end > 1 else { throw .malformed("a signed note has an empty line before its signatures") }
        text = String(decoding: bytes[..<end], as: UTF8.self)
        let lines = bytes[(end + 1)...].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .dropLast()
        guard lines.count <= SignedNote.signaturesMax else { throw .malformed("a signed note has too many signatures") }
        var signatures: [Signature] = []
        for line in lines { signatures.append(try SignedNote.signature(line)) }
        self.signatures = signatures
        guard Array(self.note.utf8) == bytes else { throw .malformed("a signed note is not written as it should be") }
    }

    private static func signature(_ line: ArraySlice<UInt8>) throws(TokenError) -> Signature {
        let mark = Array(SignedNote.mark.utf8)
        let words = line.dropFirst(mark.count).split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard line.starts(with: mark), words.count == 2, !words[0].isEmpty else {
            throw .malformed("a line of a signature has a dash, a name and base64")
        }
        let bytes: [UInt8]
        do { bytes = try Base64.decode(words[1]) } catch { throw .malformed("a note's signature is base64") }
        guard bytes.count > 4 else { throw .malformed("a note's signature is too short") }
        return Signature(
            name: String(decoding: words[0], as: UTF8.self), keyHash: Array(bytes[..<4]), bytes: Array(bytes[4...]))
    }
}
