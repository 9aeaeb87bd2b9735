/// Names one timer of a loop, so that it can be cancelled. It is never reused.
public struct TimerToken: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
}
