import Codec

/// Map of 1 voters, 2 outgoing voters, 3 learners, 4 next learners, 5 true where a joint change waits to be
/// ended; empty lists and false are left out.
extension RaftMembership: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        self.init(
            voters: try map.optional(1) ?? [], outgoingVoters: try map.optional(2) ?? [],
            learners: try map.optional(3) ?? [], nextLearners: try map.optional(4) ?? [],
            staysJoint: try map.optional(5) ?? false)
        guard memberCount <= Self.maximumMembers else { throw .invalid("a membership of more than 65536 nodes") }
        guard isEmpty || !voters.isEmpty else { throw .invalid("a membership without voters") }
        guard !learners.contains(where: isVoter) else { throw .invalid("a learner that is a voter") }
    }

    public var cbor: CBOR {
        var map = CBORMap()
        if !voters.isEmpty { map.set(1, voters) }
        if !outgoingVoters.isEmpty { map.set(2, outgoingVoters) }
        if !learners.isEmpty { map.set(3, learners) }
        if !nextLearners.isEmpty { map.set(4, nextLearners) }
        if staysJoint { map.set(5, true) }
        return .map(map)
    }

    private static let maximumMembers = 65_536
}
