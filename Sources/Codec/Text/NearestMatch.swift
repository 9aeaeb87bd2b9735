/// Finds what a person probably meant.
public enum NearestMatch {
    /// The candidate with the fewest slips (letters added, left out, changed or swapped), at most two and fewer than half its letters;
    /// else the only candidate that begins with what was typed. Ties go to the first candidate.
    public static func find(_ typed: String, among candidates: [String]) -> String? {
        var best: (candidate: String, slips: Int)?
        for candidate in candidates {
            let slips = distance(Array(typed.utf8), Array(candidate.utf8))
            if slips <= 2, slips * 2 < max(candidate.utf8.count, 3), slips < best?.slips ?? .max {
                best = (candidate, slips)
            }
        }
        if let best { return best.candidate }
        let longer = candidates.filter { $0.hasPrefix(typed) }
        return longer.count == 1 && typed.utf8.count > 1 ? longer[0] : nil
    }

    /// Optimal string alignment distance: Levenshtein's, with a swap of neighbours counted once.
    public static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        // Words this long are no slips of ours, and the table below would grow with their product.
        guard left.count <= 64, right.count <= 64 else { return .max }
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var beforeLast = [Int](repeating: 0, count: right.count + 1)
        var last = Array(0...right.count)
        for row in 1...left.count {
            var current = [row] + [Int](repeating: 0, count: right.count)
            for column in 1...right.count {
                let changed = left[row - 1] == right[column - 1] ? 0 : 1
                current[column] = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + changed)
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    current[column] = min(current[column], beforeLast[column - 2] + 1)
                }
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }
}
