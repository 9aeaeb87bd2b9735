/// A value on its way to another thread, which is the last to hold it: letting a large one go takes time, and the loop
/// has none. Touched by one thread after the other.
final class Handoff<Value: Sendable>: @unchecked Sendable {
    private(set) var value: Value?

    init(_ value: Value) { self.value = value }

    /// On the thread that may take its time.
    func letGo() { value = nil }
}
