import Codec

/// A working tree that jobs in the state refer to.
struct TreeRow: Sendable {
    /// Nodes with a copy, ascending.
    var holders: [NodeID]
    /// How many jobs refer to it; the row goes with the last one.
    var jobs: UInt32
}
