import Codec

/// The members of the mesh.
public struct MembersView: Hashable, Sendable {
    public var meshName: String
    public var meshFingerprint: String
    public var members: [MemberView]
    /// Nodes that wait for `approve`.
    public var waiting: [WaitingView]
    public var staleMilliseconds: UInt64?
    /// What ends soon, or has ended, and does not renew itself.
    public var endings: [EndingView]

    public init(
        meshName: String, meshFingerprint: String, members: [MemberView], waiting: [WaitingView],
        staleMilliseconds: UInt64? = nil, endings: [EndingView] = []
    ) {
        self.meshName = meshName
        self.meshFingerprint = meshFingerprint
        self.members = members
        self.waiting = waiting
        self.staleMilliseconds = staleMilliseconds
        self.endings = endings
    }
}

extension MembersView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        meshName = try map.require(1)
        meshFingerprint = try map.require(2)
        members = try map.require(3)
        waiting = try map.require(4)
        staleMilliseconds = try map.optional(5)
        endings = try map.optional(6) ?? []
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, meshName)
        map.set(2, meshFingerprint)
        map.set(3, members)
        map.set(4, waiting)
        map.set(5, staleMilliseconds)
        map.set(6, endings)
        return .map(map)
    }
}
