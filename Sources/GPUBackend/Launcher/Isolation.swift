import Codec

/// What keeps an attempt apart from its host and from other attempts.
///
/// The daemon states it in every attempt, from what the host was found to allow; the supervisor makes exactly that or
/// refuses the attempt. It never falls back to less.
public enum Isolation: UInt8, Sendable, CBORCodable {
    /// A process group of its own; what forks away is collected, but the host's files are as writable as for any program.
    case group = 0
    /// PID, mount and IPC namespaces: host root read-only, private temporary directories.
    case namespaces = 1
    /// The same inside a user namespace, where the daemon is not root.
    case userNamespace = 2

    public init(cbor: CBOR) throws(CodecError) {
        let number = try UInt8(cbor: cbor)
        guard let isolation = Isolation(rawValue: number) else { throw .invalid("no isolation \(number)") }
        self = isolation
    }

    public var cbor: CBOR { rawValue.cbor }
}
