import Codec

/// What a submitter asks about how a job is kept apart from its host. What is not asked is for the host to say.
public struct SandboxSpec: Hashable, Sendable, CBORCodable {
    public var profile: SandboxProfile?
    public var network: NetworkAccess?
    public var mounts: [MountRequest]
    /// A line for the shell that is run before the command, in the same sandbox.
    public var setup: String?
    /// A root of its own: a directory or an archive on the host that runs it, absolute.
    public var image: String?
    /// The number of the user that it is to itself, and of the group; its host knows it as who it runs as.
    public var user: UInt32?
    public var group: UInt32?
    /// Keys of a newer version, kept as they came.
    public var unknown: CBORMap

    public init(
        profile: SandboxProfile? = nil, network: NetworkAccess? = nil, mounts: [MountRequest] = [],
        setup: String? = nil, image: String? = nil, user: UInt32? = nil, group: UInt32? = nil,
        unknown: CBORMap = CBORMap()
    ) {
        self.profile = profile
        self.network = network
        self.mounts = mounts
        self.setup = setup
        self.image = image
        self.user = user
        self.group = group
        self.unknown = unknown
    }

    /// Mounts of one job at most.
    public static let mountsMax = 16

    /// A job that asks for nothing here says nothing about it: any member may run it, one of an older version too.
    public var isEmpty: Bool {
        profile == nil && network == nil && mounts.isEmpty && setup == nil && image == nil
            && user == nil && group == nil && unknown.isEmpty
    }

    /// Members of an older version would leave out what was asked.
    var needsLevel4: Bool { image != nil || user != nil || group != nil }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        profile = try map.optional(1)
        network = try map.optional(2)
        mounts = try map.optional(3) ?? []
        setup = try map.optional(4)
        image = try map.optional(5)
        user = try map.optional(6)
        group = try map.optional(7)
        unknown = map.without(0...7)
    }

    public var cbor: CBOR {
        var map = unknown
        map.set(1, profile)
        map.set(2, network)
        map.set(3, mounts.isEmpty ? nil : mounts)
        map.set(4, setup)
        map.set(5, image)
        map.set(6, user)
        map.set(7, group)
        return .map(map)
    }
}
