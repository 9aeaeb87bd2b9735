import Codec

/// The way from a rank of a gang to the other hosts of it: what an attempt finds below `/run/swarmlet`, under any root.
///
/// A directory is shown and not the socket itself, so that a daemon that comes later can listen there again.
public struct GangDoor: Hashable, Sendable, CBORCodable {
    /// On the host: it holds `socket`, at which the daemon listens. Absolute.
    public var directory: String
    /// On the host: the swarmlet that the attempt is given, so that no image needs one.
    public var program: String

    public static let place = "/run/swarmlet"
    /// In an attempt: the program under its own name.
    public static let programPath = place + "/swarmlet"
    /// In an attempt: the same program as what starts commands on the other hosts, called as `ssh` is.
    public static let agentPath = place + "/agent"
    /// In an attempt: where the daemon listens.
    public static let socketPath = doorPath + "/" + socketName
    public static let socketName = "socket"
    static let doorPath = place + "/gang"

    public init(directory: String, program: String) {
        self.directory = directory
        self.program = program
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        directory = try map.require(1)
        program = try map.require(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, directory)
        map.set(2, program)
        return .map(map)
    }
}
