import Codec

/// Certificates from the mesh key down to a node: each is signed by the subject of the one before it, the first by the
/// mesh key, and every key but the last must have the right to admit.
public struct CertificateChain: Hashable, Sendable {
    /// The longest chain that is verified.
    public static let lengthLimit = 8

    public let certificates: [Certificate]

    /// Takes certificates as they are; `verify` says whether they are a chain.
    public init(_ certificates: [Certificate]) { self.certificates = certificates }

    /// The chain of the founder of a mesh: one certificate, signed by the mesh key, with the right to admit.
    public static func founding(
        _ node: PublicKey, name: String? = nil, meshKey: SigningKey
    ) throws(TokenError) -> CertificateChain {
        CertificateChain([
            try .issue(to: node, name: name, rights: [.admit], mesh: meshKey.publicKey.id, signer: meshKey)
        ])
    }

    /// The chain of a node that the holder of this chain certifies.
    ///
    /// - Parameter signer: the last key of this chain, which must have the right to admit.
    /// - Throws: `chainInvalid` where the chain would become longer than `lengthLimit`: a node nearer to the mesh key has
    ///   to certify.
    public func issuing(
        to node: PublicKey, name: String? = nil, rights: [Certificate.Right], mesh: KeyID, signer: SigningKey
    ) throws(TokenError) -> CertificateChain {
        guard certificates.count < CertificateChain.lengthLimit else {
            throw .chainInvalid("\(signer.publicKey) stands at the end of \(certificates.count) certificates")
        }
        return CertificateChain(
            certificates + [try .issue(to: node, name: name, rights: rights, mesh: mesh, signer: signer)])
    }

    /// Follows the chain from the mesh key and returns what the last certificate says.
    ///
    /// - Throws: `chainInvalid`, or what is wrong with one certificate.
    public func verify(meshKey: PublicKey) throws(TokenError) -> Certificate.Content {
        guard certificates.count <= CertificateChain.lengthLimit else {
            throw .chainInvalid(
                "it shows \(certificates.count) certificates, \(CertificateChain.lengthLimit) are allowed")
        }
        let mesh = meshKey.id
        var signer = meshKey
        var last: Certificate.Content?
        for certificate in certificates {
            if let last, !last.mayAdmit { throw .chainInvalid("\(last.subject.id.short) may not admit nodes") }
            let content = try certificate.verify(signer: signer, mesh: mesh)
            signer = content.subject
            last = content
        }
        guard let last else { throw .chainInvalid("it shows no certificate") }
        return last
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
