import Codec

/// Certificates from the mesh key down to a node: each is signed by the subject of the one before it, the first by the
/// mesh key, and every key but the last must have the right to admit.
public struct CertificateChain: Hashable, Sendable {
    /// The longest chain that is verified.
    public static let lengthLimit = 8

    public let certificates: [Certificate]

    /// Takes certificates as they are; `verify` says whether they are a chain.
    public init(_ certificates: [Certificate]) { self.certificates = certificates }

    /// The chain of a node that has the mesh key: one certificate, signed by that key, with the right to admit.
    ///
    /// - Parameters:
    ///   - mesh: the id of the key that founded the mesh, where that is another one by now.
    ///   - now: seconds since the Unix epoch.
    public static func founding(
        _ node: PublicKey, name: String? = nil, meshKey: SigningKey, mesh: KeyID? = nil, now: Int64
    ) throws(TokenError) -> CertificateChain {
        CertificateChain([
            try .issue(
                to: node, name: name, rights: [.admit], validity: .made(now: now, byMeshKey: true),
                mesh: mesh ?? meshKey.id, signer: meshKey)
        ])
    }

    /// The chain of a node that the holder of this chain certifies.
    ///
    /// - Parameters:
    ///   - signer: the last key of this chain, which must have the right to admit.
    ///   - now: seconds since the Unix epoch.
    /// - Throws: `chainInvalid` where the chain would become longer than `lengthLimit`: a node nearer to the mesh key has
    ///   to certify.
    public func issuing(
        to node: PublicKey, name: String? = nil, rights: [Certificate.Right], mesh: KeyID, signer: SigningKey,
        now: Int64
    ) throws(TokenError) -> CertificateChain {
        guard certificates.count < CertificateChain.lengthLimit else {
            throw .chainInvalid("\(signer.publicKey) stands at the end of \(certificates.count) certificates")
        }
        let certificate = try Certificate.issue(
            to: node, name: name, rights: rights, validity: .made(now: now, byMeshKey: false), mesh: mesh,
            signer: signer)
        return CertificateChain(certificates + [certificate])
    }

    /// Follows the chain for somebody outside of the mesh, who knows nothing but its key: all links have to be good now.
    ///
    /// - Parameters:
    ///   - root: the mesh key where that is no longer the one that founded the mesh.
    ///   - now: seconds since the Unix epoch.
    /// - Throws: `certificateExpired`, `certificateNotYet` or `certificateEndless` for a chain that is right otherwise.
    public func verify(
        meshKey: PublicKey, root: PublicKey? = nil, now: Int64
    ) throws(TokenError) -> Certificate.Content {
        let content = try verify(meshKey: meshKey, root: root)
        guard let validity = content.validity else { throw .certificateEndless(name: content.shownName) }
        switch validity.standing(now: now) {
        case .good: return content
        case .expired: throw .certificateExpired(name: content.shownName, expired: validity.expires)
        case .notYet: throw .certificateNotYet(name: content.shownName, from: validity.issued)
        }
    }

    /// Follows the chain from the mesh key and returns what the last certificate says, with what all of them leave of its
    /// validity. Whether that is over is not looked at: members know by the replicated state who is one.
    ///
    /// - Throws: `chainInvalid`, or what is wrong with one certificate.
    public func verify(meshKey: PublicKey, root: PublicKey? = nil) throws(TokenError) -> Certificate.Content {
        guard let last = try follow(from: root ?? meshKey, mesh: meshKey.id).last else {
            throw .chainInvalid("it shows no certificate")
        }
        return last
    }

    /// The keys that it certifies, the one that stands right below the mesh key first.
    ///
    /// - Throws: as `verify(meshKey:)`.
    public func subjects(meshKey: PublicKey, root: PublicKey? = nil) throws(TokenError) -> [PublicKey] {
        try follow(from: root ?? meshKey, mesh: meshKey.id).map(\.subject)
    }

    /// Which of these keys is said to stand above it. That is not verified.
    ///
    /// - Throws: `chainInvalid` where none of them is.
    public func root(among keys: [PublicKey]) throws(TokenError) -> PublicKey {
        guard let first = certificates.first else { throw .chainInvalid("it shows no certificate") }
        let id = try KeyFooter.decode(Paseto.unverifiedFooter(first.token))
        guard let key = keys.first(where: { $0.id == id }) else {
            throw .chainInvalid("it begins with a key that is not known as the mesh's")
        }
        return key
    }

    /// What each certificate says, standing on those above it.
    private func follow(from root: PublicKey, mesh: KeyID) throws(TokenError) -> [Certificate.Content] {
        guard certificates.count <= CertificateChain.lengthLimit else {
            throw .chainInvalid(
                "it shows \(certificates.count) certificates, \(CertificateChain.lengthLimit) are allowed")
        }
        var signer = root
        var contents: [Certificate.Content] = []
        for certificate in certificates {
            if let last = contents.last, !last.mayAdmit {
                throw .chainInvalid("\(last.subject.id.short) may not admit nodes")
            }
            let content = try certificate.verify(signer: signer, mesh: mesh)
            signer = content.subject
            contents.append(contents.last.map(content.standing) ?? content)
        }
        return contents
    }
}

extension CertificateChain: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let certificates = try [Certificate](cbor: cbor)
        guard certificates.count <= CertificateChain.lengthLimit else {
            throw .invalid("a chain of too many certificates")
        }
        self.init(certificates)
    }
    public var cbor: CBOR { certificates.cbor }
}
