import Codec

/// What a chain of links allows together: the intersection of all of them, computed, never taken from any of them.
///
/// It says what was granted. Whether it is revoked, and whether now is the time, is looked at again whenever it is used.
public struct AccessGrant: Hashable, Sendable {
    /// Root first.
    public private(set) var links: [AccessLink]
    /// What each link is counted, revoked and owned by: a hash of the issuer and of the ids down to it, 22 characters.
    ///
    /// Not its bare id: that is chosen by whoever signs the link, and could be that of somebody else's token, whose uses
    /// would then be spent, and whose revocation would be his to ask for.
    public private(set) var names: [String]
    public private(set) var acts: AccessAct.Several
    /// The least of all limits that are named.
    public private(set) var limits: AccessLimits
    /// The earliest end of all links: until when jobs may be started.
    public private(set) var expires: Int64
    /// How many further links there may be.
    public private(set) var delegations: Int64
    /// How many jobs the narrowest link allows; 0 for as many as fit into its time.
    public private(set) var uses: Int64
    public let root: AccessLink.Root
    /// BLAKE3 of the root as it travels, by which a mesh knows what it has made.
    public let rootDigest: Digest

    /// - Precondition: the link is a root, read or checked.
    init(root link: AccessLink, text: String) {
        guard let root = link.root, let acts = link.acts, let uses = link.uses, let delegations = link.delegations
        else { preconditionFailure("a root says what it allows") }
        self.root = root
        rootDigest = BLAKE3.hash(Array(text.utf8))
        self.acts = acts
        self.uses = uses
        self.delegations = delegations
        links = [link]
        names = [AccessGrant.name(below: link.issuer.text, link.identifier)]
        limits = link.limits
        expires = link.expires
    }

    /// Who may use it: the key that the last link names.
    public var holder: PublicKey { links[links.count - 1].holder }
    /// The name of this key.
    public var holderID: KeyID { links[links.count - 1].holderID }
    /// Who made the root.
    public var issuer: KeyID { links[0].issuer }
    /// Four characters of the root's name, as people see it.
    public var shortID: String { AccessGrant.shortID(names[0]) }

    /// Four characters of a name, as people see it.
    public static func shortID(_ name: String) -> String { JoinToken.shortID(name) }

    private static func name(below above: String, _ identifier: String) -> String {
        Base64URL.encode(TokenHash.of(Array("\(above)/\(identifier)".utf8)).prefix(AccessConstants.idByteCount))
    }

    /// What has to be counted when a job is started: each link with a number of uses of its own.
    public var counted: [AccessUse] {
        zip(links, names).compactMap { link, name in
            guard let uses = link.uses, uses > 0 else { return nil }
            return AccessUse(name: name, uses: uses, expires: link.expires)
        }
    }

    /// Adds a link, which may only reduce.
    ///
    /// - Throws: `accessWider`, naming what it would widen.
    mutating func narrow(_ link: AccessLink) throws(TokenError) {
        precondition(link.root == nil, "a root stands at the top only")
        guard delegations > 0 else { throw .accessWider("how often it may be passed on") }
        guard (link.delegations ?? 0) < delegations else { throw .accessWider("how often it may be passed on") }
        guard link.issuedAt + TokenTime.toleranceSeconds >= links[links.count - 1].issuedAt else {
            throw .accessWider("when it begins")
        }
        guard link.expires <= expires else { throw .accessWider("its end") }
        if let allowed = link.acts {
            guard allowed.isSubset(of: acts) else { throw .accessWider("what it allows to do") }
            acts = allowed
        }
        for kind in AccessScope.Kind.allCases {
            for above in links where !link.scope.isWithin(above.scope, kind) {
                throw .accessWider("which \(kind.rawValue)s it is about")
            }
        }
        if let (limit, _, _) = link.limits.first(above: limits) { throw .accessWider("its limit \(limit.word)") }
        if let count = link.uses {
            guard uses == 0 || (1...uses).contains(count) else { throw .accessWider("its uses") }
            if count > 0 { uses = count }
        }
        limits.lower(to: link.limits)
        expires = link.expires
        delegations = link.delegations ?? delegations - 1
        names.append(AccessGrant.name(below: names[names.count - 1], link.identifier))
        links.append(link)
    }
}
