/// How many bytes items of CBOR take, without encoding them.
enum CBORSize {
    /// A number, or the head of a string or list that has so many elements.
    static func head(_ argument: UInt64) -> Int {
        switch argument {
        case 0..<24: 1
        case 24..<0x100: 2
        case 0x100..<0x1_0000: 3
        case 0x1_0000..<0x1_0000_0000: 5
        default: 9
        }
    }

    static func bytes(_ count: Int) -> Int { head(UInt64(count)) + count }
}
