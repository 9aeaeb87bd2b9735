import Codec

/// What one link of an access token says: the root, signed by an issuer of the mesh, or a narrowing of the link above it,
/// signed by the holder that this one names.
public struct AccessLink: Hashable, Sendable {
    /// What only a root says.
    public struct Root: Hashable, Sendable {
        /// Whom the token is for: the mesh, or single nodes of it.
        public var audiences: [KeyID]
        /// Seconds since the Unix epoch.
        public var notBefore: Int64
        /// The epoch of revocation at which it was made.
        public var epoch: Int64
        /// May be believed without a fresh view of what is revoked; only for short tokens that change nothing.
        public var isOffline: Bool
        /// Display only: who made it, as people know him.
        public var madeBy: String?

        public init(
            audiences: [KeyID], notBefore: Int64, epoch: Int64 = 0, isOffline: Bool = false, madeBy: String? = nil
        ) {
            self.audiences = audiences
            self.notBefore = notBefore
            self.epoch = epoch
            self.isOffline = isOffline
            self.madeBy = madeBy
        }
    }

    /// Which link of the chain it is.
    public enum Place: Hashable, Sendable {
        case root(Root)
        /// The hash of the link above, 32 bytes.
        case below([UInt8])
    }

    public var place: Place
    /// Who signed it.
    public var issuer: KeyID
    /// 22 characters, unlike those of all other links below the same one (see `AccessGrant.names`).
    public var identifier: String
    /// Seconds since the Unix epoch.
    public var issuedAt: Int64
    /// Seconds since the Unix epoch: until when jobs may be started with it.
    public var expires: Int64
    /// Who may use it, and sign the link below it.
    public let holder: PublicKey
    /// The name of this key.
    public let holderID: KeyID
    /// Nil: as above. A root always says it.
    public var acts: AccessAct.Several?
    public var scope: AccessScope
    public var limits: AccessLimits
    /// How many jobs; 0: as many as fit into its time. Nil: as above. A root always says it.
    public var uses: Int64?
    /// How many links may follow. Nil: one less than above. A root always says it.
    public var delegations: Int64?

    /// What only a root says; nil in others.
    public var root: Root? {
        guard case .root(let root) = place else { return nil }
        return root
    }

    static let rootType = "swarmlet.access.v1"
    static let belowType = "swarmlet.delegation.v1"

    /// What is signed beside the text of a link and of a proof: its purpose and the mesh.
    static func implicit(_ purpose: String, mesh: KeyID) -> [UInt8] {
        Array(purpose.utf8) + [0] + Array(mesh.text.utf8)
    }

    static let purpose = "swarmlet/access/1"

    /// The text of the link.
    ///
    /// - Throws: `malformed` for what a reader would refuse.
    func signed(with key: SigningKey, mesh: KeyID) throws(TokenError) -> String {
        precondition(key.id == issuer, "a link is signed by the key that it names")
        try check()
        return Paseto.sign(
            try encodedPayload(), footer: KeyFooter.encode(issuer),
            implicit: AccessLink.implicit(AccessLink.purpose, mesh: mesh),
            with: key)
    }
}

// MARK: Claims

extension AccessLink {
    private func encodedPayload() throws(TokenError) -> [UInt8] {
        var members = [(key: String, value: JSON)]()
        members.reserveCapacity(16)
        members.append(("iss", .string(issuer.text)))
        switch place {
        case .root(let root):
            members.append(
                (
                    "aud",
                    root.audiences.count == 1
                        ? .string(root.audiences[0].text)
                        : .array(root.audiences.map { .string($0.text) })
                ))
            members.append(("nbf", .string(TokenTime.text(root.notBefore))))
            members.append(("ep", .integer(root.epoch)))
            if root.isOffline { members.append(("off", .bool(true))) }
            if let madeBy = root.madeBy { members.append(("meta", .object([("by", .string(madeBy))]))) }
        case .below(let previous):
            members.append(("prf", .string(Base64URL.encode(previous))))
        }
        members.append(("jti", .string(identifier)))
        members.append(("iat", .string(TokenTime.text(issuedAt))))
        members.append(("exp", .string(TokenTime.text(expires))))
        members.append(
            ("cnf", .object([("kid", .string(holderID.text)), ("key", .string(holder.text))])))
        if let acts { members.append(("act", .array(acts.all.map { .string($0.rawValue) }))) }
        if !scope.isEmpty {
            var kinds = [(key: String, value: JSON)]()
            for kind in AccessScope.Kind.allCases {
                if let patterns = scope[kind] { kinds.append((kind.rawValue, .array(patterns.map { .string($0) }))) }
            }
            members.append(("res", .object(kinds)))
        }
        let named = limits.named
        if !named.isEmpty {
            members.append(("lim", .object(named.map { (key: $0.limit.rawValue, value: .integer($0.value)) })))
        }
        if let uses { members.append(("uses", .integer(uses))) }
        if let delegations { members.append(("dlg", .integer(delegations))) }
        return try Claims.encode(type: root == nil ? AccessLink.belowType : AccessLink.rootType, members)
    }

    private static let shared = ["iss", "jti", "iat", "exp", "cnf", "act", "res", "lim", "uses", "dlg"]

    /// What a payload says whose signature has been checked.
    ///
    /// - Throws: `malformed` for anything that is not known, missing or out of its range: it might have been a
    ///   restriction.
    init(payload: [UInt8], isRoot: Bool) throws(TokenError) {
        let claims = try Claims(
            payload, type: isRoot ? AccessLink.rootType : AccessLink.belowType,
            known: AccessLink.shared + (isRoot ? ["aud", "nbf", "ep", "off", "meta"] : ["prf"]))
        issuer = try claims.keyID("iss")
        identifier = try AccessLink.identifier(claims.text("jti"))
        issuedAt = try claims.time("iat")
        expires = try claims.time("exp")
        (holder, holderID) = try AccessLink.holder(claims)
        acts = isRoot || claims.has("act") ? try AccessLink.acts(claims.texts("act")) : nil
        scope = claims.has("res") ? try AccessLink.scope(claims.members("res")) : AccessScope()
        limits = claims.has("lim") ? try AccessLink.limits(claims.members("lim")) : AccessLimits()
        uses = isRoot || claims.has("uses") ? try claims.integer("uses", in: AccessLink.counts) : nil
        delegations = isRoot || claims.has("dlg") ? try claims.integer("dlg", in: AccessLink.counts) : nil
        place = isRoot ? .root(try AccessLink.root(claims)) : .below(try AccessLink.hash(claims.text("prf")))
        try check()
    }

    private static let counts: ClosedRange<Int64> = 0...AccessConstants.limitMax

    /// What must hold for every link, of whoever writes one and whoever reads one.
    private func check() throws(TokenError) {
        guard identifier.utf8.count == AccessLink.identifierCharacters else {
            throw .malformed("its id does not have \(AccessLink.identifierCharacters) characters")
        }
        guard TokenTime.range.contains(issuedAt), TokenTime.range.contains(expires), expires > issuedAt else {
            throw .malformed("it ends before it begins")
        }
        guard acts?.isEmpty != true, root == nil || acts != nil else { throw .malformed("it allows nothing") }
        for kind in AccessScope.Kind.allCases {
            guard let patterns = scope[kind] else { continue }
            guard (1...AccessConstants.patternsMax).contains(patterns.count),
                patterns.allSatisfy({ AccessScope.isCanonical($0) })
            else { throw .malformed("its patterns for a \(kind.rawValue) are too many or not written canonically") }
        }
        guard limits.named.allSatisfy({ $0.value <= AccessConstants.limitMax }) else {
            throw .malformed("one of its limits is out of range")
        }
        guard (0...AccessConstants.usesMax).contains(uses ?? 0), root == nil || uses != nil else {
            throw .malformed("its uses are out of range")
        }
        guard (0...AccessConstants.delegationsMax).contains(delegations ?? 0), root == nil || delegations != nil else {
            throw .malformed("it allows too many further links")
        }
        switch place {
        case .below(let hash):
            guard hash.count == TokenHash.byteCount else { throw .malformed("a hash in it has another length") }
        case .root(let root):
            guard (1...AccessConstants.audiencesMax).contains(root.audiences.count),
                root.audiences.count == 1 || Set(root.audiences).count == root.audiences.count
            else { throw .malformed("it is for too many keys, or for one twice") }
            guard (issuedAt..<expires).contains(root.notBefore), root.epoch >= 0 else {
                throw .malformed("it begins before it was made or after it ends")
            }
            guard let madeBy = root.madeBy else { return }
            guard madeBy.utf8.count <= AccessConstants.textBytesMax, PlainText.isPlain(madeBy) else {
                throw .malformed("a text in it cannot be shown")
            }
        }
    }

    private static func root(_ claims: Claims) throws(TokenError) -> Root {
        var audiences = [KeyID]()
        for text in claims.isText("aud") ? [try claims.text("aud")] : try claims.texts("aud") {
            audiences.append(try KeyID(text: text))
        }
        var madeBy: String?
        if claims.has("meta") {
            let texts = try claims.pairs("meta")
            guard texts.allSatisfy({ PlainText.isPlain($0.key) && PlainText.isPlain($0.value) }) else {
                throw .malformed("a text in it cannot be shown")
            }
            // Other texts are for people, too, and mean nothing here.
            madeBy = texts.first { $0.key == "by" }?.value
        }
        return Root(
            audiences: audiences, notBefore: try claims.time("nbf"),
            epoch: try claims.integer("ep", in: counts),
            isOffline: claims.has("off") ? try claims.bool("off") : false, madeBy: madeBy)
    }

    private static let identifierCharacters = 22

    private static func identifier(_ text: String) throws(TokenError) -> String {
        do { _ = try Base64URL.decode(text) } catch { throw .malformed("its id is not base64url") }
        return text
    }

    static func hash(_ text: String) throws(TokenError) -> [UInt8] {
        do {
            return try Base64URL.decode(text)
        } catch {
            throw .malformed("a hash in it is not base64url")
        }
    }

    /// The holder's key: signed by whoever is above, and a point of the prime-order group.
    private static func holder(_ claims: Claims) throws(TokenError) -> (PublicKey, KeyID) {
        let members = try claims.pairs("cnf")
        var name: String?
        var text: String?
        for (key, value) in members {
            switch key {
            case "kid": name = value
            case "key": text = value
            default: throw .malformed("its holder has the unknown claim \(key)")
            }
        }
        guard let name, let text else { throw .malformed("it names no holder") }
        let key = try PublicKey(text: text)
        let id = key.id
        guard id.text.utf8.elementsEqual(name.utf8) else {
            throw .malformed("its holder is named after another key")
        }
        return (key, id)
    }

    private static func acts(_ texts: [String]) throws(TokenError) -> AccessAct.Several {
        var acts = [AccessAct]()
        for text in texts {
            guard let act = AccessAct(rawValue: text), !acts.contains(act) else {
                throw .malformed("it allows the unknown act \(text)")
            }
            acts.append(act)
        }
        return AccessAct.Several(acts)
    }

    private static func scope(_ members: [(key: String, value: JSON)]) throws(TokenError) -> AccessScope {
        var scope = AccessScope()
        for member in members {
            guard let kind = AccessScope.Kind(rawValue: member.key), let values = member.value.arrayValue else {
                throw .malformed("it is bounded to the unknown kind \(member.key)")
            }
            var patterns = [String]()
            for value in values {
                guard let pattern = value.stringValue else { throw .malformed("a pattern in it is no text") }
                patterns.append(pattern)
            }
            scope[kind] = patterns
        }
        guard !scope.isEmpty else { throw .malformed("it is bounded to nothing") }
        return scope
    }

    private static func limits(_ members: [(key: String, value: JSON)]) throws(TokenError) -> AccessLimits {
        var limits = AccessLimits()
        for member in members {
            guard let limit = AccessLimit(rawValue: member.key) else {
                throw .malformed("it has the unknown limit \(member.key)")
            }
            guard let value = member.value.integerValue, (0...AccessConstants.limitMax).contains(value) else {
                throw .malformed("its limit \(member.key) is out of range")
            }
            limits[limit] = value
        }
        guard !members.isEmpty else { throw .malformed("it has limits without any") }
        return limits
    }
}
