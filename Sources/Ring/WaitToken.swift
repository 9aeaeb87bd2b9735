/// Names one suspended task of a loop, so that it can be woken. It is never reused.
public struct WaitToken: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32

    /// The token as the kernel carries it.
    var userData: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

    init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    init(userData: UInt64) {
        slot = UInt32(truncatingIfNeeded: userData)
        generation = UInt32(truncatingIfNeeded: userData >> 32)
    }
}
