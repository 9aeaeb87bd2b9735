/// Output of a job on its way to a terminal, piece by piece: what would steer the terminal is written out, `\x1b`.
///
/// A job may be a stranger's, and a terminal obeys what it is shown: it moves over lines that swarmlet wrote, changes its
/// title, answers as if somebody typed. Passed on are lines, tabs, what goes back on its own line (progress bars), colours,
/// and the end of a line being cleared: of escape sequences those of ECMA-48 that end in `m` or `K`.
struct ControlFilter {
    /// A sequence whose end has not come yet.
    private var begun: [UInt8] = []
    /// Colours were set and not taken back.
    private var isColoured = false

    private static let escape: UInt8 = 0x1B
    /// A longer one is none.
    private static let sequenceBytesMax = 64

    mutating func take(_ bytes: [UInt8]) -> [UInt8] {
        if begun.isEmpty, bytes.allSatisfy(Self.isHarmless) { return bytes }
        var shown: [UInt8] = []
        shown.reserveCapacity(bytes.count + 64)
        for byte in bytes {
            if begun.isEmpty, Self.isHarmless(byte) { shown.append(byte) } else { take(byte, &shown) }
        }
        return shown
    }

    /// After the last piece: what never ended, and the colours as they were before the job.
    mutating func rest() -> [UInt8] {
        var shown = Self.writtenOut(begun)
        begun = []
        if isColoured { shown += [Self.escape] + Array("[0m".utf8) }
        isColoured = false
        return shown
    }

    private mutating func take(_ byte: UInt8, _ shown: inout [UInt8]) {
        begun.append(byte)
        switch Self.look(begun) {
        case .unfinished where begun.count < Self.sequenceBytesMax: return
        case .passed:
            if byte == UInt8(ascii: "m") { isColoured = !Self.isReset(begun) }
            shown += begun
            begun = []
        case .text(let text):
            shown += text.utf8
            begun = []
        case .unfinished, .refused:
            // The first byte is written out; what came after it may begin something else.
            let rest = begun.dropFirst()
            shown += Self.writtenOut([begun[0]])
            begun = []
            for byte in rest {
                if Self.isHarmless(byte), begun.isEmpty { shown.append(byte) } else { take(byte, &shown) }
            }
        }
    }

    private enum Verdict {
        case unfinished, passed, refused
        /// Instead of it this.
        case text(String)
    }

    /// What one sequence is that began with something that is not harmless.
    private static func look(_ sequence: [UInt8]) -> Verdict {
        if sequence[0] == escape { return lookAtEscape(sequence) }
        guard sequence[0] >= 0xC2, sequence[0] <= 0xF4 else { return .refused }
        let length = sequence[0] < 0xE0 ? 2 : sequence[0] < 0xF0 ? 3 : 4
        guard sequence.dropFirst().allSatisfy({ $0 & 0xC0 == 0x80 }) else { return .refused }
        guard sequence.count == length else { return .unfinished }
        return String(validating: sequence, as: UTF8.self).map { .text(VisibleText.of($0)) } ?? .refused
    }

    /// CSI, parameters, end (ECMA-48, 5.4).
    private static func lookAtEscape(_ sequence: [UInt8]) -> Verdict {
        guard sequence.count > 1 else { return .unfinished }
        guard sequence[1] == UInt8(ascii: "[") else { return .refused }
        guard let last = sequence.last, sequence.count > 2 else { return .unfinished }
        let isParameter = { (byte: UInt8) in (0x30...0x3B).contains(byte) }
        guard sequence[2..<(sequence.count - 1)].allSatisfy(isParameter) else { return .refused }
        if isParameter(last) { return .unfinished }
        return last == UInt8(ascii: "m") || last == UInt8(ascii: "K") ? .passed : .refused
    }

    private static func isReset(_ sequence: [UInt8]) -> Bool {
        sequence.dropFirst(2).dropLast().allSatisfy { $0 == UInt8(ascii: "0") }
    }

    private static func isHarmless(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x20..<0x7F, 0x08, 0x09, 0x0A, 0x0D: true
        default: false
        }
    }

    /// Text where it is some, else byte by byte.
    private static func writtenOut(_ bytes: [UInt8]) -> [UInt8] {
        bytes.flatMap { byte in
            isHarmless(byte) ? [byte] : Array(VisibleText.name(Unicode.Scalar(byte)).utf8)
        }
    }
}
