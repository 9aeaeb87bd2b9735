import Scheduler

/// Pairs typed as flags, as the labels of the replicated model.
enum Labels {
    /// Sorted; the last of two with one name counts.
    static func sorted(_ pairs: [ParsedValue.Pair]) -> [Label] {
        var labels: [Label] = []
        for pair in pairs {
            labels.removeAll { $0.name == pair.name }
            labels.append(Label(name: pair.name, value: pair.value ?? ""))
        }
        return labels.sorted()
    }
}
