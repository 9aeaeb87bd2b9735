import Codec

/// What a process of a rank asks at the socket of its own rank; it can name nothing outside of its gang.
public enum GangRequest: Hashable, Sendable {
    /// Starts a command on a host of the gang, named by its address, its name or its number. `HandInput` may follow, and
    /// `HandOutput` comes back.
    case start(host: String, arguments: [String])
    /// Answered with `done` once rank 0 has ended well.
    case waitForFirst
    /// The program that rank 0 started on the hosts of the gang has failed. Where a daemon was replaced under it the gang
    /// begins anew, and the call ends with this rank; else it is answered with `done`.
    case hasFailed
}

extension GangRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let (number, content) = try numberedContent(cbor)
        switch number {
        case 1:
            let map = try content.requireMap()
            let arguments: [String] = try map.require(2)
            guard !arguments.isEmpty else { throw .invalid("nothing to run") }
            self = .start(host: try map.require(1), arguments: arguments)
        case 2: self = .waitForFirst
        case 3: self = .hasFailed
        default: throw .invalid("gang request \(number) is not known to this version")
        }
    }

    public var cbor: CBOR {
        switch self {
        case .start(let host, let arguments):
            var map = CBORMap()
            map.set(1, host)
            map.set(2, arguments)
            return numbered(1, .map(map))
        case .waitForFirst: return numbered(2)
        case .hasFailed: return numbered(3)
        }
    }
}
