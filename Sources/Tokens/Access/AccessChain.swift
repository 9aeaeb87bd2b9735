import Codec

/// The links of an access token as they travel, root first. Nothing in them is believed here but their form.
public struct AccessChain: Hashable, Sendable {
    /// Each a `v4.public` token, 1...5 of them.
    public let links: [String]

    /// - Throws: `malformed` for too many links or characters (step 1 of the verification).
    public init(_ links: [String]) throws(TokenError) {
        guard (1...AccessConstants.linksMax).contains(links.count) else {
            throw .malformed("it has \(links.count) links")
        }
        var characters = 0
        for link in links {
            guard link.utf8.count <= Paseto.characterLimit else { throw .malformed("one of its links is too long") }
            guard Array(link.utf8).allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw .malformed("one of its links is not plain text")
            }
            characters += link.utf8.count
        }
        guard characters <= AccessConstants.chainCharactersMax else { throw .malformed("it is too long") }
        self.links = links
    }

    /// The name of exactly these links: BLAKE2b-256 of them, one a line.
    var hash: [UInt8] { TokenHash.of(Array(links.joined(separator: "\n").utf8)) }

    /// Version, purpose and number of parts of each link (step 2).
    func checkHeaders() throws(TokenError) {
        for link in links {
            // Exactly: version, purpose, payload with signature, footer.
            let text = Array(link.utf8)
            guard text.starts(with: Paseto.header.utf8), text.count(where: { $0 == UInt8(ascii: ".") }) == 3 else {
                throw .malformed("one of its links is no v4.public token with a footer")
            }
        }
    }

    /// The parts of each link, with no other form than this one (step 3).
    func opened() throws(TokenError) -> [Paseto.Unverified] {
        var opened = [Paseto.Unverified]()
        for link in links { opened.append(try Paseto.Unverified(link)) }
        return opened
    }

    /// Who is said to have signed the root. Good for looking a key up, for nothing else.
    func unverifiedIssuer() throws(TokenError) -> KeyID { try KeyFooter.decode(Paseto.unverifiedFooter(links[0])) }

    /// What a link calls the one above it: the hash of its header and payload, without the signature.
    static func hash(of payload: [UInt8]) -> [UInt8] { TokenHash.of(Array(Paseto.header.utf8) + payload) }

    /// What the chain allows, by the key that its root is to be signed with. The situation is not looked at.
    ///
    /// - Parameter issuer: where the key comes from, it says who made the token; it is never taken from the links.
    func grant(issuer: PublicKey, mesh: KeyID) throws(TokenError) -> AccessGrant {
        try checkHeaders()
        let opened = try opened()
        let payload = try AccessGrant.payload(opened[0], signer: (issuer, issuer.id), mesh: mesh)
        var grant = AccessGrant(root: try AccessLink(payload: payload, isRoot: true), text: links[0])
        guard grant.issuer == issuer.id else { throw .malformed("it names another issuer") }
        try grant.add(opened[...], mesh: mesh)
        return grant
    }
}

extension AccessGrant {
    /// The payload of a link whose signature fits its signer, who must stand in its footer.
    static func payload(
        _ link: Paseto.Unverified, signer: (key: PublicKey, id: KeyID), mesh: KeyID
    ) throws(TokenError) -> [UInt8] {
        guard try KeyFooter.decode(link.footer) == signer.id else {
            throw .malformed("a link is not signed by the holder of the one above")
        }
        return try Paseto.verify(
            link, implicit: AccessLink.implicit(AccessLink.purpose, mesh: mesh), with: signer.key
        ).payload
    }

    /// Adds the links below the root: each signed with the key that the link above names, and nothing in it believed
    /// before its signature fits (step 9).
    ///
    /// - Parameter opened: all links, root first.
    mutating func add(_ opened: ArraySlice<Paseto.Unverified>, mesh: KeyID) throws(TokenError) {
        guard var above = opened.first?.payload else { return }
        for token in opened.dropFirst() {
            let payload = try AccessGrant.payload(token, signer: (holder, holderID), mesh: mesh)
            let link = try AccessLink(payload: payload, isRoot: false)
            guard link.issuer == holderID else { throw .malformed("a link names another issuer") }
            guard case .below(let hash) = link.place, hash == AccessChain.hash(of: above) else {
                throw .malformed("a link belongs below another one")
            }
            try narrow(link)
            above = payload
        }
    }
}

extension AccessChain: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let links = try [String](cbor: cbor)
        do { try self.init(links) } catch { throw .invalid("the links of a token that are no chain") }
    }
    public var cbor: CBOR { links.cbor }
}
