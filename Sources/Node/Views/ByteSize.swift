/// Sizes as people read them: powers of 1024.
public enum ByteSize {
    /// `184 KiB`, `3.1 MiB`, `48.3 MiB`, `412 MiB`: one decimal below 100, none for whole numbers.
    public static func text(_ bytes: UInt64) -> String {
        guard bytes >= 1024 else { return "\(bytes) B" }
        // Ten times a very large size would not fit: its bytes do not matter.
        let isLarge = bytes >= 1 << 50
        var tenths = (isLarge ? bytes >> 10 : bytes) * 10
        var unit = isLarge ? 1 : 0
        // 10,235 tenths is the last value that does not round to 1024 of a unit.
        while tenths >= 10_235, unit < names.count - 1 {
            tenths = (tenths + 512) / 1024
            unit += 1
        }
        if tenths >= 1000 { tenths = (tenths + 5) / 10 * 10 }
        return tenths % 10 == 0 ? "\(tenths / 10) \(names[unit])" : "\(tenths / 10).\(tenths % 10) \(names[unit])"
    }

    /// `125 GiB`: capacities are whole numbers, rounded down, so that nothing is promised that is not there.
    public static func capacity(_ bytes: UInt64) -> String {
        if bytes >= 1 << 30 { return "\(bytes >> 30) GiB" }
        return "\(bytes >> 20) MiB"
    }

    /// `24 GiB` for a card of 24,564 MiB: a GPU's size is its marketed one, the nearest whole GiB.
    public static func marketed(_ bytes: UInt64) -> String { "\((bytes + (1 << 29)) >> 30) GiB" }

    private static let names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
}
