import Codec
import Scheduler

/// What one attempt is kept in on this host, as the daemon has decided it. How that is made is for `SandboxPlanner`.
public struct AttemptSandbox: Hashable, Sendable, CBORCodable {
    /// `standard` or `strict`; without a sandbox an attempt has none of this.
    public var profile: SandboxProfile
    /// Whether, and until when, it reaches other networks.
    public var network: NetworkAccess
    /// Files and directories of the host that it may not see, absolute: the daemon's own, and secrets of its user.
    public var hidden: [String]
    public var mounts: [MountRequest]
    /// Device files that were given to it, absolute.
    public var devices: [String]
    /// Where it finds its working directory; nil: where that is on the host.
    public var place: String?
    /// Its root; nil: what its profile says.
    public var image: ImageRoot?
    /// For a rank of a gang: its way to the other hosts of it.
    public var door: GangDoor?
    /// It has a network of its own and reaches others through a proxy, which does not go where members of the mesh listen:
    /// these, `HOST:PORT`. Nil: it reaches others as its host does, or none.
    public var meshAddresses: [String]?
    /// As of `AttemptSpec`.
    public private(set) var hasUnknownParts = false

    public init(
        profile: SandboxProfile, network: NetworkAccess, hidden: [String] = [], mounts: [MountRequest] = [],
        devices: [String] = [], place: String? = nil, image: ImageRoot? = nil, door: GangDoor? = nil,
        meshAddresses: [String]? = nil
    ) {
        precondition(profile != .none)
        self.profile = profile
        self.network = network
        self.hidden = hidden
        self.mounts = mounts
        self.devices = devices
        self.place = place
        self.image = image
        self.door = door
        self.meshAddresses = meshAddresses
    }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        profile = try map.require(1)
        network = try map.require(2)
        hidden = try map.optional(3) ?? []
        mounts = try map.optional(4) ?? []
        devices = try map.optional(5) ?? []
        place = try map.optional(6)
        image = try map.optional(7)
        door = try map.optional(8)
        meshAddresses = try map.optional(9)
        hasUnknownParts = !map.without(0...9).isEmpty
        guard profile != .none else { throw .invalid("a sandbox of no profile") }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, profile)
        map.set(2, network)
        map.set(3, hidden)
        map.set(4, mounts)
        map.set(5, devices)
        map.set(6, place)
        map.set(7, image)
        map.set(8, door)
        map.set(9, meshAddresses)
        return .map(map)
    }
}
