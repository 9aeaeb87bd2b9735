/// Whole messages in order, both ways, with back pressure. Confined to its loop.
///
/// Whoever holds a stream ends it: `finish` and read to the end, or `cancel`.
public protocol MessageStream: AnyObject, Sendable {
    /// Sends one message; returns when it is on its way, so that a slow receiver slows the sender.
    func send(_ message: [UInt8]) async throws(MeshError)
    /// The next message; nil when the other side has finished.
    func receive() async throws(MeshError) -> [UInt8]?
    /// Says that no more messages come from here. What the other side sends can still be received.
    func finish() async
    /// Ends both directions at once and releases what the stream holds.
    func cancel()
}
