import Codec

/// Where a task is in its life. Whether it is frozen is a live view of its node and not replicated.
public enum TaskState: UInt8, Hashable, Sendable, CaseIterable, CBORCodable {
    case pending = 0
    /// Its node does not know yet, or has not begun.
    case placed = 1
    /// Its files and its setup are being made ready.
    case preparing = 2
    case running = 3
    /// Its node is lost and it may never run twice.
    case unknown = 4
    case succeeded = 5
    case failed = 6
    case cancelled = 7

    public var isEnded: Bool { self == .succeeded || self == .failed || self == .cancelled }
    /// It holds room on a node.
    public var isOnNode: Bool { self == .placed || self == .preparing || self == .running || self == .unknown }
    /// As it is printed.
    public var name: String { String(describing: self) }

    public init(cbor: CBOR) throws(CodecError) {
        let value = try UInt8(cbor: cbor)
        guard let state = TaskState(rawValue: value) else { throw .unknownKind("TaskState", UInt64(value)) }
        self = state
    }

    public var cbor: CBOR { .unsigned(UInt64(rawValue)) }
}
