/// Texts of strangers that people are shown.
enum PlainText {
    /// Whether a text has no control characters and none that change the direction of what follows: nothing that could
    /// make a terminal show something else than what is there.
    static func isPlain(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 0..<0x20, 0x7F...0x9F, 0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF: false
            default: true
            }
        }
    }
}
