import Codec

/// Content that people carry as one line: a prefix, then base64url of 3 bytes with the length of the whole line in
/// characters, the content, and 4 check bytes.
///
/// So a line that was cut off says by how much, and one that was altered is recognised before anything is done with it.
/// The check is against slips; what may be believed is said by the signatures in the content.
struct CheckedLine {
    /// Why a text is not such a line.
    enum Flaw: Error {
        case otherPrefix
        /// Characters found, and how many there should be where that is known.
        case truncated(have: Int, of: Int?)
        case damaged
    }

    /// Longest line.
    static let characterLimit = 65_536
    private static let lengthByteCount = 3
    private static let checkByteCount = 4

    /// What the line begins with, such as `swm1.`
    let prefix: String
    /// What the check bytes are derived with: one for each kind of line.
    let context: String

    /// - Precondition: the line has at most `characterLimit` characters.
    func text(_ content: [UInt8]) -> String {
        let byteCount = CheckedLine.lengthByteCount + content.count + CheckedLine.checkByteCount
        let total = prefix.utf8.count + (byteCount * 4 + 2) / 3
        precondition(total <= CheckedLine.characterLimit, "what the parts of a line may hold fits into its limit")
        var bytes = [UInt8(total >> 16), UInt8(total >> 8 & 0xFF), UInt8(total & 0xFF)] + content
        bytes += check(bytes[...])
        return prefix + Base64URL.encode(bytes)
    }

    /// The content of a line. Spaces and line breaks are passed over: they are what mail and chat programs add.
    func content(_ text: String) throws(Flaw) -> ArraySlice<UInt8> {
        let characters = text.utf8.filter { $0 != 0x20 && !(0x09...0x0D).contains($0) }
        guard characters.count <= CheckedLine.characterLimit, characters.starts(with: prefix.utf8) else {
            throw .otherPrefix
        }
        // The first four characters are the three bytes of the length.
        let body = characters[prefix.utf8.count...]
        guard body.count >= 4 else { throw .truncated(have: characters.count, of: nil) }
        let bytes: [UInt8]
        do {
            let length = try Base64URL.decode(body.prefix(4))
            let total = Int(length[0]) << 16 | Int(length[1]) << 8 | Int(length[2])
            guard total <= CheckedLine.characterLimit else { throw Flaw.damaged }
            if characters.count < total { throw Flaw.truncated(have: characters.count, of: total) }
            guard characters.count == total else { throw Flaw.damaged }
            bytes = try Base64URL.decode(body)
        } catch let flaw as Flaw {
            throw flaw
        } catch {
            throw .damaged
        }
        guard bytes.count > CheckedLine.lengthByteCount + CheckedLine.checkByteCount,
            bytes.suffix(CheckedLine.checkByteCount).elementsEqual(check(bytes.dropLast(CheckedLine.checkByteCount)))
        else { throw .damaged }
        return bytes[CheckedLine.lengthByteCount..<bytes.count - CheckedLine.checkByteCount]
    }

    private func check(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var hasher = BLAKE3(deriveKeyContext: context)
        hasher.update(bytes)
        return hasher.output(byteCount: CheckedLine.checkByteCount)
    }
}
