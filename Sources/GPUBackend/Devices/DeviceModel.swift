/// Names of devices as people say them.
enum DeviceModel {
    /// Makers and product lines in front say nothing in a list of GPUs, sizes and kinds of memory are said beside the
    /// name: `NVIDIA H100 80GB HBM3` is an `H100`, `NVIDIA GeForce RTX 3090` an `RTX 3090`.
    static func text(_ name: String) -> String {
        var rest = name[...]
        for prefix in ["NVIDIA ", "AMD ", "GeForce ", "Tesla ", "Quadro ", "Radeon "] where rest.hasPrefix(prefix) {
            rest = rest.dropFirst(prefix.count)
        }
        let words = rest.split(separator: " ").filter { !isMemory($0) }.map(withoutMemory)
        return words.isEmpty ? name : words.joined(separator: " ")
    }

    /// `80GB`, `HBM3`, `HBM2e`.
    private static func isMemory(_ word: Substring) -> Bool {
        if word.hasPrefix("HBM") { return true }
        return word.hasSuffix("GB") && word.dropLast(2).allSatisfy(\.isNumber) && word.count > 2
    }

    /// `A100-SXM4-40GB` without its last part.
    private static func withoutMemory(_ word: Substring) -> String {
        guard let dash = word.lastIndex(of: "-"), isMemory(word[word.index(after: dash)...]) else {
            return String(word)
        }
        return String(word[..<dash])
    }
}
