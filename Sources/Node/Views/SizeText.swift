/// Sizes as people read them: powers of 1024.
enum SizeText {
    /// `125 GiB`, `3.1 MiB`, `12 B`; whole numbers from 100 up and where nothing is lost.
    static func of(_ bytes: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var unit = 0
        var value = Double(bytes)
        // What would round to 1024 of a unit is one of the next.
        while value >= 1023.45, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let tenths = (value * 10).rounded()
        if unit == 0 || tenths >= 1000 || tenths.truncatingRemainder(dividingBy: 10) == 0 {
            return "\(Int((tenths / 10).rounded())) \(units[unit])"
        }
        return "\(Int(tenths / 10)).\(Int(tenths.truncatingRemainder(dividingBy: 10))) \(units[unit])"
    }
}
