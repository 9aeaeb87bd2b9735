import Codec

/// The holder's proof, one a request: his signature over the token, the connection, the operation, the request and the
/// node. It is worth nothing for another of any of these, so nobody who sees or carries it can use it.
public struct AccessProof: Hashable, Sendable {
    /// What a proof is about, as each side knows it by itself.
    public struct About: Hashable, Sendable {
        /// The hash of the Noise handshake that carries the request.
        public let channel: [UInt8]
        /// The name of the request.
        public let operation: String
        /// BLAKE2b-256 of the exact bytes of the request.
        public let request: [UInt8]
        /// The node at the other end of the connection.
        public let node: KeyID

        /// - Parameter requestBytes: as they are sent.
        public init(channel: [UInt8], operation: String, requestBytes: [UInt8], node: KeyID) {
            self.init(channel: channel, operation: operation, request: TokenHash.of(requestBytes), node: node)
        }

        /// - Parameter request: the hash of the request.
        public init(channel: [UInt8], operation: String, request: [UInt8], node: KeyID) {
            self.channel = channel
            self.operation = operation
            self.request = request
            self.node = node
        }
    }

    static let type = "swarmlet.proof.v1"
    static let purpose = "swarmlet/proof/1"

    /// The PASETO token.
    public let token: String

    /// Takes a text as it is; `verify` says whether it is a proof.
    public init(token: String) { self.token = token }

    /// - Parameters:
    ///   - now: what the node said that the time is, in seconds since the Unix epoch: the holder's clock does not matter.
    ///   - identifier: 16 random bytes.
    public init(
        of chain: AccessChain, about: About, mesh: KeyID, now: Int64,
        identifier: [UInt8] = SecureRandom.bytes(AccessConstants.idByteCount), key: SigningKey
    ) throws(TokenError) {
        let payload = try Claims.encode(
            type: AccessProof.type,
            [
                (key: "tok", value: .string(Base64URL.encode(chain.hash))),
                (key: "ch", value: .string(Base64URL.encode(about.channel))),
                (key: "op", value: .string(about.operation)),
                (key: "req", value: .string(Base64URL.encode(about.request))),
                (key: "aud", value: .string(about.node.text)),
                (key: "iat", value: .string(TokenTime.text(now))),
                (key: "jti", value: .string(Base64URL.encode(identifier))),
            ])
        token = Paseto.sign(
            payload, footer: KeyFooter.encode(key.id),
            implicit: AccessLink.implicit(AccessProof.purpose, mesh: mesh), with: key)
    }

    /// - Parameters:
    ///   - chain: the hash of the links that are shown.
    ///   - holder: whom the last link names, and the name of this key.
    ///   - asked: when it was asked, in seconds since the Unix epoch.
    /// - Throws: `accessProof`.
    func verify(
        _ about: About, chain: [UInt8], holder: (key: PublicKey, id: KeyID), mesh: KeyID, asked: Int64
    ) throws(TokenError) {
        let claims: Claims
        do throws(TokenError) {
            guard token.utf8.count <= Paseto.characterLimit else { throw TokenError.malformed("it is too long") }
            let message = try Paseto.verify(
                token, implicit: AccessLink.implicit(AccessProof.purpose, mesh: mesh), with: holder.key)
            guard try KeyFooter.decode(message.footer) == holder.id else { throw TokenError.signatureInvalid }
            claims = try Claims(
                message.payload, type: AccessProof.type, known: ["tok", "ch", "op", "req", "aud", "iat", "jti"])
            guard try AccessLink.hash(claims.text("tok")) == chain else { throw TokenError.accessProof("its token") }
            guard try AccessLink.hash(claims.text("ch")) == about.channel else {
                throw TokenError.accessProof("its connection")
            }
            guard try claims.text("op").utf8.elementsEqual(about.operation.utf8) else {
                throw TokenError.accessProof("its operation")
            }
            guard try AccessLink.hash(claims.text("req")) == about.request else {
                throw TokenError.accessProof("its request")
            }
            guard try claims.keyID("aud") == about.node else { throw TokenError.accessProof("its node") }
            let issuedAt = try claims.time("iat")
            guard abs(issuedAt - asked) <= AccessConstants.proofSeconds else {
                throw TokenError.accessProof("its time")
            }
            guard try AccessLink.hash(claims.text("jti")).count == AccessConstants.idByteCount else {
                throw TokenError.accessProof("its id")
            }
        } catch .accessProof(let what) {
            throw .accessProof(what)
        } catch {
            throw .accessProof("its signature")
        }
    }
}
