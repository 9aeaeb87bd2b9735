import Codec

/// What a submitter asks about how a job is kept apart from its host. What is not asked is for the host to say.
public struct SandboxSpec: Hashable, Sendable, CBORCodable {
    public var profile: SandboxProfile?
    public var network: NetworkAccess?
    public var mounts: [MountRequest]
    /// A line for the shell that is run before the command, in the same sandbox.
    public var setup: String?
    /// Keys of a newer version, kept as they came.
    public var unknown: CBORMap

    public init(
        profile: SandboxProfile? = nil, network: NetworkAccess? = nil, mounts: [MountRequest] = [],
        setup: String? = nil, unknown: CBORMap = CBORMap()
    ) {
        self.profile = profile
        self.network = network
        self.mounts = mounts
        self.setup = setup
        self.unknown = unknown
    }

    /// Mounts of one job at most.
    public static let mountsMax = 16

    /// A job that asks for nothing here says nothing about it: any member may run it, one of an older version too.
    public var isEmpty: Bool { profile == nil && network == nil && mounts.isEmpty && setup == nil && unknown.isEmpty }

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        profile = try map.optional(1)
        network = try map.optional(2)
        mounts = try map.optional(3) ?? []
        setup = try map.optional(4)
        unknown = map.without(0...4)
    }

    public var cbor: CBOR {
        var map = unknown
        map.set(1, profile)
        map.set(2, network)
        map.set(3, mounts.isEmpty ? nil : mounts)
        map.set(4, setup)
        return .map(map)
    }
}
