/// What a client is told, with the places in the log that let `ClientOracle` judge it.
struct SimulatedReply: Hashable {
    var answer: ClientOperation.Answer
    /// Where a write took effect, or the index at which a read was answered.
    var index: UInt64
    /// Index of the last write to the key, this one included; 0 where there is none.
    var version: UInt64
    /// The version that a write found; equal to `version` for what wrote nothing.
    var previousVersion: UInt64
}
