import Codec

/// A mesh in which everybody knows everybody: where simulations of large meshes begin. The cores share what they know.
@_spi(Simulation) public struct SwimSettlement: Sendable {
    let table: MemberTable

    /// All in their first generation and incarnation, with words and without facts.
    public init(_ peers: [SwimPeer], sign: (SwimStatement) -> [UInt8]) {
        let version = SwimVersion(generation: 1, incarnation: 1)
        table = MemberTable(peers) { id in
            let statement = SwimStatement(author: id, subject: id, version: version, content: .state(.alive))
            var member = SwimMember()
            member.version = version
            member.word = SwimWord(
                author: id, subject: id, version: version, state: .alive, signature: sign(statement))
            return member
        }
    }
}

extension SwimCore {
    /// Instead of `.members` and `.signaturesKnown`, in generation 1.
    @_spi(Simulation) public mutating func settle(_ settlement: SwimSettlement) { takeOver(settlement.table) }
}
