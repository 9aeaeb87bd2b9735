import Codec
import Tokens

/// That the leadership is to go to another voter, with the word of the host at which somebody asked for it. It is good for
/// one term, and so for one change of the leader.
public struct LeadershipRequest: Hashable, Sendable {
    private static let purpose = "raft transfer"

    /// By name or short id; empty: to the one that is furthest.
    public var voter: String
    /// In which the leader leads that is asked.
    public var term: UInt64
    /// `ana@owl`.
    public var actor: String
    /// About `asked`.
    public var statement: RoleStatement

    public init(to voter: String, term: UInt64, actor: String, role: PersonRole, mesh: String, key: SigningKey) {
        self.voter = voter
        self.term = term
        self.actor = actor
        let asked = LeadershipRequest.asked(voter, term, actor)
        statement = RoleStatement(role, about: asked, mesh: mesh, key: key)
    }

    /// What is asked, and who asks.
    var asked: Digest { LeadershipRequest.asked(voter, term, actor) }

    private static func asked(_ voter: String, _ term: UInt64, _ actor: String) -> Digest {
        let parts: [CBOR] = [.text(purpose), .text(voter), .unsigned(term), .text(actor)]
        return BLAKE3.hash(CBOR.array(parts).encoded())
    }
}

extension LeadershipRequest: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        voter = try map.require(1)
        term = try map.require(2)
        actor = try map.require(3)
        statement = try map.require(4)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, voter)
        map.set(2, term)
        map.set(3, actor)
        map.set(4, statement)
        return .map(map)
    }
}
