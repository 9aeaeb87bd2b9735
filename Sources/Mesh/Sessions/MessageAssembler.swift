/// Puts the pieces of one message together and holds the sender to the length it announced.
struct MessageAssembler: Sendable {
    /// A message in the making: its kind and announced length.
    private(set) var start: SessionFrame.Start?
    private var bytes: [UInt8] = []

    /// Bytes held of a message that is not complete.
    var heldBytes: Int { bytes.count }

    /// Takes the next piece; returns the message when it was the last.
    ///
    /// - Parameter limit: bytes that the message may announce.
    mutating func add(
        _ fragment: SessionFrame.Fragment, limit: Int = SessionConstants.messageBytesMax
    ) throws(MeshError) -> (kind: UInt16, bytes: [UInt8])? {
        if let start = fragment.start {
            guard self.start == nil else { throw .protocolViolation("a message inside another") }
            guard Int(start.total) <= limit else { throw .messageTooLong(Int(start.total)) }
            self.start = start
        }
        guard let start else { throw .protocolViolation("a fragment without a beginning") }
        guard bytes.count + fragment.content.count <= Int(start.total) else {
            throw .protocolViolation("a message longer than announced")
        }
        bytes.append(contentsOf: fragment.content)
        guard fragment.isLast else { return nil }
        guard bytes.count == Int(start.total) else { throw .protocolViolation("a message shorter than announced") }
        let message = bytes
        bytes = []
        self.start = nil
        return (start.kind, message)
    }
}
