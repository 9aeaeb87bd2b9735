import Codec

/// One link of trust: whoever holds the signing key says that another key belongs to the mesh, and what it may do.
///
/// It has an end for outsiders alone, to whom it shows that a node was a member not long ago. Who is a member today stands
/// in the replicated membership, so members look at no end, and a mesh that was switched off for a year starts again.
/// Versions before level 7 of the protocol made certificates without an end; those are no use to outsiders any more.
public struct Certificate: Hashable, Sendable {
    /// What a certified key may do for the mesh.
    public enum Right: String, Hashable, Sendable, CaseIterable {
        /// Certify further keys and make invitations.
        case admit
    }

    /// What a verified certificate says.
    public struct Content: Hashable, Sendable {
        public let subject: PublicKey
        /// The node's name when it was certified, for display only.
        public let name: String?
        public let rights: [Right]
        /// The id of the mesh's public key.
        public let mesh: KeyID
        /// From when until when it is good for outsiders; of a chain what all of its links leave. Nil: it has no end.
        public let validity: CertificateValidity?

        public var mayAdmit: Bool { rights.contains(.admit) }

        /// The name, or the short id of a key that has none.
        var shownName: String { name ?? subject.id.short }

        /// This one below another: good for as long as both are.
        func standing(on above: Content) -> Content {
            var validity: CertificateValidity?
            if let upper = above.validity { validity = self.validity?.narrowed(to: upper) }
            return Content(subject: subject, name: name, rights: rights, mesh: mesh, validity: validity)
        }
    }

    static let type = "swarmlet.certificate.v1"
    static let purpose = Array("swarmlet/certificate/1".utf8)
    private static let nameByteLimit = 253

    /// The PASETO token.
    public let token: String

    /// Takes a text as it is; `verify` says whether it is a certificate.
    public init(token: String) { self.token = token }

    /// Certifies a key.
    ///
    /// - Parameters:
    ///   - name: at most 253 bytes.
    ///   - mesh: the id of the mesh's public key.
    ///   - signer: the mesh key, or a key with the right to admit.
    public static func issue(
        to subject: PublicKey, name: String? = nil, rights: [Right], validity: CertificateValidity, mesh: KeyID,
        signer: SigningKey
    ) throws(TokenError) -> Certificate {
        try sign(to: subject, name: name, rights: rights, validity: validity, mesh: mesh, signer: signer)
    }

    /// Without a validity: as versions before level 7 of the protocol did.
    static func sign(
        to subject: PublicKey, name: String?, rights: [Right], validity: CertificateValidity?, mesh: KeyID,
        signer: SigningKey
    ) throws(TokenError) -> Certificate {
        guard (name?.utf8.count ?? 0) <= nameByteLimit else {
            throw .malformed("a name has at most \(nameByteLimit) bytes")
        }
        let issuer = signer.id
        var members: [(key: String, value: JSON)] = [
            (key: "iss", value: .string(issuer.text)),
            (key: "aud", value: .string(mesh.text)),
            (key: "sub", value: .string(subject.text)),
            (key: "may", value: .array(rights.map { .string($0.rawValue) })),
        ]
        if let name { members.append((key: "name", value: .string(name))) }
        if let validity {
            members.append((key: "iat", value: .string(TokenTime.text(validity.issued))))
            members.append((key: "exp", value: .string(TokenTime.text(validity.expires))))
        }
        let payload = try Claims.encode(type: type, members)
        return Certificate(
            token: Paseto.sign(payload, footer: KeyFooter.encode(issuer), implicit: purpose, with: signer))
    }

    /// Checks the signature, the mesh and the form. Whether the signer had the right to sign, and whether it is still good,
    /// is for the chain to say.
    public func verify(signer: PublicKey, mesh: KeyID) throws(TokenError) -> Content {
        let message = try Paseto.verify(token, implicit: Certificate.purpose, with: signer)
        guard try KeyFooter.decode(message.footer) == signer.id else {
            throw .malformed("its footer names another key")
        }
        let claims = try Claims(
            message.payload, type: Certificate.type, known: ["iss", "aud", "sub", "may", "name", "iat", "exp"])
        guard try claims.keyID("iss") == signer.id else { throw .malformed("it names another issuer") }
        guard try claims.keyID("aud") == mesh else { throw .chainInvalid("the certificate is of another mesh") }
        var rights = [Right]()
        for text in try claims.texts("may") {
            guard let right = Right(rawValue: text), !rights.contains(right) else {
                throw .malformed("it grants the unknown right \(text)")
            }
            rights.append(right)
        }
        let name = try claims.optionalText("name")
        guard (name?.utf8.count ?? 0) <= Certificate.nameByteLimit else { throw .malformed("its name is too long") }
        var validity: CertificateValidity?
        if claims.has("iat") || claims.has("exp") {
            validity = try CertificateValidity(issued: claims.time("iat"), expires: claims.time("exp"))
        }
        return Content(
            subject: try PublicKey(text: claims.text("sub")), name: name, rights: rights, mesh: mesh,
            validity: validity)
    }
}

extension Certificate: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) { self.init(token: try cbor.requireText()) }
    public var cbor: CBOR { .text(token) }
}
