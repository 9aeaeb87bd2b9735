import Codec

/// Whether a job reaches the network of its host.
public enum NetworkAccess: UInt8, Sendable, CBORCodable {
    /// Loopback of its own and nothing else.
    case off = 0
    case on = 1
    /// The setup command does, the command itself does not.
    case setupOnly = 2

    public init(cbor: CBOR) throws(CodecError) {
        let number = try UInt8(cbor: cbor)
        guard let access = NetworkAccess(rawValue: number) else { throw .invalid("no network access \(number)") }
        self = access
    }

    public var cbor: CBOR { rawValue.cbor }
}
