import Tokens

// Shell: the keys behind what is gossiped.
extension SwimSeal {
    private static let purpose = "swarmlet/gossip/1"

    /// Signs with this node's identity, for this mesh only: a node may be in another one with the same number.
    public init(signingKey: SigningKey, meshID: [UInt8]) {
        self.init(
            sign: { signingKey.sign(purpose: Self.purpose, [meshID, $0.bytes]) },
            verify: { signature, statement, key in
                guard key.count == PublicKey.byteCount else { return false }
                return PublicKey(admitted: key).verify(signature, purpose: Self.purpose, [meshID, statement.bytes])
            })
    }
}
