import Codec
import Scheduler

/// Joins a mesh by an invitation, or by a peer and an operator's approval.
public struct JoinRequest: Hashable, Sendable {
    /// One line `swm1.…`; nil: knock at `peer` and wait for `approve`.
    public var invitation: String?
    /// `HOST[:PORT]`.
    public var peer: String?
    /// Whether the fingerprint the peer shows is taken as true without being compared.
    public var trustFirstUse: Bool
    public var nodeName: String?
    /// Never a voter, never admits others.
    public var role: NodeRole
    public var labels: [Label]

    public init(
        invitation: String? = nil, peer: String? = nil, trustFirstUse: Bool = false, nodeName: String? = nil,
        role: NodeRole = .auto, labels: [Label] = []
    ) {
        self.invitation = invitation
        self.peer = peer
        self.trustFirstUse = trustFirstUse
        self.nodeName = nodeName
        self.role = role
        self.labels = labels
    }
}

extension JoinRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        invitation = try map.optional(1)
        peer = try map.optional(2)
        trustFirstUse = try map.require(3)
        nodeName = try map.optional(4)
        role = try map.require(5)
        labels = try map.require(6)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, invitation)
        map.set(2, peer)
        map.set(3, trustFirstUse)
        map.set(4, nodeName)
        map.set(5, role)
        map.set(6, labels)
        return .map(map)
    }
}
