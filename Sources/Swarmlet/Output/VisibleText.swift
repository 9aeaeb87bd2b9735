/// Texts of others that a person is shown: names, commands and reasons, in which anything may stand.
enum VisibleText {
    /// The same with what could steer a terminal, or turn round what follows, written out: `\x1b`, `\u{202e}`. Line feeds and tabs
    /// stay as they are.
    static func of(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 < 0x7F && ($0 >= 0x20 || $0 == 0x0A || $0 == 0x09) }) { return text }
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar == "\n" || scalar == "\t" || isPlain(scalar) {
                shown.append(scalar)
            } else {
                shown.append(contentsOf: name(scalar).unicodeScalars)
            }
        }
        return String(shown)
    }

    /// The same for what has to stay on its line.
    static func line(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 0x0A || $0 == 0x09 }) else { return of(text) }
        var shown = String.UnicodeScalarView()
        for scalar in of(text).unicodeScalars {
            switch scalar {
            case "\n": shown.append(contentsOf: "\\n".unicodeScalars)
            case "\t": shown.append(contentsOf: "\\t".unicodeScalars)
            default: shown.append(scalar)
            }
        }
        return String(shown)
    }

    /// What makes a terminal show something else than what is there: control characters, and those that change the direction
    /// of what follows or are not seen.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF: false
        default: true
        }
    }

    static func name(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        if scalar.value > 0xFF { return "\\u{\(digits)}" }
        return digits.utf8.count == 1 ? "\\x0\(digits)" : "\\x\(digits)"
    }
}
