import Codec

/// An access token as a person carries it, one line: the links, the key of their holder, where to ask, and which mesh key
/// to expect there.
///
/// The line is `swa1.` and what `CheckedLine` makes of the content in CBOR. Whoever has a line with the holder's key can
/// do what its links allow; nothing of the line but links and proofs ever goes to a node.
public struct AccessToken: Sendable {
    private static let line = CheckedLine(prefix: "swa1.", context: "swarmlet 2026-11-22 access token check 1")

    public let chain: AccessChain
    /// The key of whoever signed the root, so that its signature can be checked without a network. It proves nothing: the
    /// mesh takes the key from what it knows itself.
    public let issuerKey: PublicKey
    /// Nil where the holder has it elsewhere.
    public let holderKey: SigningKey?
    /// What names the mesh: the key that founded it.
    public let meshKey: PublicKey
    /// Which key certifies its hosts: `meshKey`, or the one in its place.
    public let root: PublicKey
    /// For display only; the mesh is known by its key.
    public let meshName: String
    /// Where to ask, best first: `host:port`.
    public let addresses: [String]
    /// Who may answer there, each by `mark(of:)`: who was a member of the mesh when the token was made. A host that was
    /// stolen and revoked before has a certificate of the mesh for ever, and is believed by nobody who holds the token.
    public let members: [[UInt8]]
    /// What the links allow together, as far as the line itself can say: their signatures fit the issuer's key.
    public let grant: AccessGrant

    /// - Throws: `malformed` for links that do not fit each other or the keys, too many addresses, no or too many members,
    ///   and texts that are too long or cannot be shown.
    public init(
        chain: AccessChain, issuerKey: PublicKey, holderKey: SigningKey?, meshKey: PublicKey, root: PublicKey? = nil,
        meshName: String, addresses: [String], members: [[UInt8]]
    ) throws(TokenError) {
        guard (1...AccessConstants.membersMax).contains(members.count),
            members.allSatisfy({ $0.count == AccessToken.markByteCount })
        else { throw .malformed("a token names 1 to \(AccessConstants.membersMax) members") }
        guard addresses.count <= AccessConstants.addressesMax else {
            throw .malformed("a token has at most \(AccessConstants.addressesMax) addresses")
        }
        guard
            (addresses + [meshName]).allSatisfy({
                $0.utf8.count <= AccessConstants.textBytesMax && PlainText.isPlain($0)
            })
        else { throw .malformed("an address or name is too long or cannot be shown") }
        grant = try chain.grant(issuer: issuerKey, mesh: meshKey.id)
        guard holderKey == nil || holderKey?.publicKey == grant.holder else {
            throw .malformed("its key is not that of its holder")
        }
        self.chain = chain
        self.issuerKey = issuerKey
        self.holderKey = holderKey
        self.meshKey = meshKey
        self.root = root ?? meshKey
        self.meshName = meshName
        self.addresses = addresses
        self.members = members
    }

    private static let markByteCount = 16

    /// What a token knows a member by: the first 16 bytes of BLAKE2b over the id of its key.
    public static func mark(of key: KeyID) -> [UInt8] {
        Array(TokenHash.of(Array(key.text.utf8)).prefix(markByteCount))
    }

    /// Whether that member may answer.
    ///
    /// - Throws: `accessMemberUnknown`.
    public func check(member: KeyID) throws(TokenError) {
        guard members.contains(AccessToken.mark(of: member)) else { throw .accessMemberUnknown }
    }

    /// The line. With a holder's key it is a secret.
    public var text: String {
        var map = CBORMap()
        map.set(1, chain)
        map.set(2, issuerKey)
        map.setBytes(3, holderKey.map { $0.withSeed { Array($0) } })
        map.set(4, meshKey)
        map.set(5, meshName)
        map.set(6, addresses)
        map.set(7, members.map { Bytes($0) })
        if root != meshKey { map.set(8, root) }
        return AccessToken.line.text(map.encoded())
    }

    /// Reads a line. Spaces and line breaks are passed over: they are what mail and chat programs add.
    ///
    /// - Throws: `notAnAccessToken`, `accessTruncated`, `accessDamaged`, and what is wrong with its links.
    public init(text: String) throws(TokenError) {
        let content: ArraySlice<UInt8>
        do { content = try AccessToken.line.content(text) } catch {
            switch error {
            case .otherPrefix: throw .notAnAccessToken
            case .truncated(let have, let total): throw .accessTruncated(have: have, of: total)
            case .damaged: throw .accessDamaged
            }
        }
        let parts: Parts
        do { parts = try Parts(encoded: content) } catch { throw .accessDamaged }
        try self.init(
            chain: parts.chain, issuerKey: parts.issuerKey, holderKey: parts.seed.map { SigningKey(seed: $0) },
            meshKey: parts.meshKey, root: parts.root, meshName: parts.meshName, addresses: parts.addresses,
            members: parts.members)
    }

    private struct Parts {
        let chain: AccessChain
        let issuerKey: PublicKey
        let seed: [UInt8]?
        let meshKey: PublicKey
        let root: PublicKey?
        let meshName: String
        let addresses: [String]
        let members: [[UInt8]]

        init(encoded: ArraySlice<UInt8>) throws(CodecError) {
            let map = try CBORMap(encoded: encoded)
            chain = try map.require(1)
            issuerKey = try map.require(2)
            seed = try map.optionalBytes(3)
            meshKey = try map.require(4)
            root = try map.optional(8)
            meshName = try map.require(5)
            addresses = try map.require(6)
            members = try (map.require(7) as [Bytes]).map(\.array)
            guard seed == nil || seed?.count == SigningKey.seedByteCount else {
                throw .invalid("a key of another length")
            }
            // A newer program may have put a restriction there.
            guard map.without(0...8).isEmpty else { throw .invalid("something unknown in a token") }
        }
    }
}
