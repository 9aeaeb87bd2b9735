import Codec

/// Leave to join a mesh: signed by a node that may admit others, good for a number of nodes and until a time.
///
/// The replicated state counts its uses by `id`; everything else is checked here.
public struct JoinToken: Hashable, Sendable {
    /// What the node that joins will be. Never taken from the joining node itself.
    public enum Role: String, Hashable, Sendable, CaseIterable {
        /// May be chosen as a voter.
        case auto
        /// Runs jobs, never votes.
        case worker
    }

    /// A name with a value that placements can ask for.
    public struct Label: Hashable, Sendable {
        public let name: String
        public let value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// What a verified token says.
    public struct Content: Hashable, Sendable {
        /// 22 characters: what its uses are counted by.
        public let id: String
        /// The id of the mesh's public key.
        public let mesh: KeyID
        /// The node that made it.
        public let issuer: KeyID
        /// How many nodes it admits.
        public let uses: UInt32
        /// Seconds since the Unix epoch.
        public let expires: Int64
        public let role: Role
        public let labels: [Label]
        /// The mesh's epoch of revocation when it was made, if the mesh had been recovered by then; else 0.
        public let epoch: Int64

        /// Four characters, as people see it.
        public var shortID: String { JoinToken.shortID(id) }
    }

    static let type = "swarmlet.join.v1"
    static let purpose = Array("swarmlet/join/1".utf8)
    private static let idByteCount = 16
    private static let usesLimit: Int64 = 10_000
    /// Most labels, and the longest name or value in bytes; the payload as a whole has its own limit of 4,096 bytes.
    private static let labelLimit = 16
    private static let labelByteLimit = 63

    /// The PASETO token.
    public let token: String

    /// Takes a text as it is; `verify` says whether it is a join token.
    public init(token: String) { self.token = token }

    /// Makes a token.
    ///
    /// - Parameters:
    ///   - uses: 1...10,000.
    ///   - expires: seconds since the Unix epoch.
    ///   - labels: at most 16, names different, names and values of at most 63 bytes.
    ///   - epoch: what invitations of this mesh must have at least by now; 0 or more.
    ///   - identifier: 16 random bytes.
    public static func issue(
        mesh: KeyID, uses: UInt32 = 1, expires: Int64, role: Role = .auto, labels: [Label] = [], epoch: Int64 = 0,
        identifier: [UInt8] = SecureRandom.bytes(16), signer: SigningKey
    ) throws(TokenError) -> JoinToken {
        precondition(identifier.count == idByteCount, "a token id has 16 bytes")
        guard (1...usesLimit).contains(Int64(uses)) else { throw .malformed("uses must be 1...\(usesLimit)") }
        guard TokenTime.range.contains(expires) else { throw .malformed("it would run out after the year 2261") }
        try check(labels)
        let issuer = signer.id
        var claims: [(key: String, value: JSON)] = [
            (key: "iss", value: .string(issuer.text)),
            (key: "aud", value: .string(mesh.text)),
            (key: "jti", value: .string(Base64URL.encode(identifier))),
            (key: "exp", value: .string(TokenTime.text(expires))),
            (key: "uses", value: .integer(Int64(uses))),
            (key: "role", value: .string(role.rawValue)),
            (key: "labels", value: .object(labels.map { (key: $0.name, value: .string($0.value)) })),
        ]
        // Programs of before do not know it, and may join meshes that were never recovered.
        if epoch > 0 { claims.append((key: "ep", value: .integer(epoch))) }
        let payload = try Claims.encode(type: type, claims)
        return JoinToken(
            token: Paseto.sign(payload, footer: KeyFooter.encode(issuer), implicit: purpose, with: signer))
    }

    /// Which key is said to have signed it, to look that key up. Not verified.
    public func unverifiedIssuer() throws(TokenError) -> KeyID {
        try KeyFooter.decode(Paseto.unverifiedFooter(token))
    }

    /// Checks everything but the count of its uses, against the key of a member that may or may not admit.
    ///
    /// - Parameters:
    ///   - mesh: the id of the mesh that is asked to admit.
    ///   - now: seconds since the Unix epoch; a token is still good `TokenTime.toleranceSeconds` after its expiry.
    public func verify(
        signer: PublicKey, mayAdmit: Bool, mesh: KeyID, now: Int64
    ) throws(TokenError) -> Content {
        let content = try content(signer: signer)
        guard content.mesh == mesh else { throw .otherMesh(here: mesh.short, invitation: content.mesh.short) }
        guard mayAdmit else { throw .issuerMayNotAdmit(issuer: signer.id.short) }
        guard now <= content.expires + TokenTime.toleranceSeconds else {
            throw .joinTokenExpired(id: content.shortID, expired: content.expires)
        }
        return content
    }

    /// Checks everything but the count of its uses, against the chain of the node that made it, as somebody outside of the
    /// mesh. That the token itself has run out is said first.
    public func verify(
        chain: CertificateChain, meshKey: PublicKey, root: PublicKey? = nil, now: Int64
    ) throws(TokenError) -> Content {
        let issuer = try chain.verify(meshKey: meshKey, root: root)
        let content = try verify(signer: issuer.subject, mayAdmit: issuer.mayAdmit, mesh: meshKey.id, now: now)
        _ = try chain.verify(meshKey: meshKey, root: root, now: now)
        return content
    }

    /// Signature and form only.
    private func content(signer: PublicKey) throws(TokenError) -> Content {
        let message = try Paseto.verify(token, implicit: JoinToken.purpose, with: signer)
        guard try KeyFooter.decode(message.footer) == signer.id else {
            throw .malformed("its footer names another key")
        }
        let claims = try Claims(
            message.payload, type: JoinToken.type,
            known: ["iss", "aud", "jti", "exp", "uses", "role", "labels", "ep"])
        let issuer = try claims.keyID("iss")
        guard issuer == signer.id else { throw .malformed("it names another issuer") }
        let id = try claims.text("jti")
        do {
            guard try Base64URL.decode(id).count == JoinToken.idByteCount else { throw TokenError.malformed("") }
        } catch {
            throw .malformed("its id does not have 22 characters")
        }
        guard let role = Role(rawValue: try claims.text("role")) else { throw .malformed("its role is unknown") }
        let labels = try claims.pairs("labels").map { Label(name: $0.key, value: $0.value) }
        try JoinToken.check(labels)
        return Content(
            id: id, mesh: try claims.keyID("aud"), issuer: issuer,
            uses: UInt32(try claims.integer("uses", in: 1...JoinToken.usesLimit)), expires: try claims.time("exp"),
            role: role, labels: labels, epoch: try claims.has("ep") ? claims.integer("ep", in: 1...Int64.max) : 0)
    }

    private static func check(_ labels: [Label]) throws(TokenError) {
        guard labels.count <= labelLimit else { throw .malformed("it has more than \(labelLimit) labels") }
        for label in labels {
            guard (1...labelByteLimit).contains(label.name.utf8.count), label.value.utf8.count <= labelByteLimit else {
                throw .malformed("a label has 1...\(labelByteLimit) bytes")
            }
        }
        guard Set(labels.map { Array($0.name.utf8) }).count == labels.count else {
            throw .malformed("it has a label twice")
        }
    }

    /// The short form of a token id, as people see it: four hexadecimal digits.
    public static func shortID(_ id: String) -> String {
        do { return Hex.encode(try Base64URL.decode(id).prefix(2)) } catch { return String(id.prefix(4)) }
    }
}

extension JoinToken: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) { self.init(token: try cbor.requireText()) }
    public var cbor: CBOR { .text(token) }
}
