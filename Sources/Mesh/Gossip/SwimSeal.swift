/// How this node signs, and how it checks what others have signed. The core decides what is signed and checked; the keys
/// stay outside.
public struct SwimSeal: Sendable {
    /// This node's signature, at most `SwimConstants.signatureBytesMax` bytes and not empty.
    let sign: @Sendable (SwimStatement) -> [UInt8]
    /// Whether this is the signature under this statement by the holder of the key.
    let verify: @Sendable (_ signature: [UInt8], SwimStatement, _ key: [UInt8]) -> Bool

    public init(
        sign: @escaping @Sendable (SwimStatement) -> [UInt8],
        verify: @escaping @Sendable (_ signature: [UInt8], SwimStatement, _ key: [UInt8]) -> Bool
    ) {
        self.sign = sign
        self.verify = verify
    }

    /// Signs nothing and believes no signature.
    public static let none = SwimSeal(sign: { _ in [] }, verify: { _, _, _ in false })
}
