import Codec

/// All that a host needs to join, as one line: where to ask, which mesh key to expect, and leave to join.
///
/// The line is `swm1.` and what `CheckedLine` makes of the content in CBOR, so that one that was cut off or altered is
/// recognised before anything is sent. Whoever holds it can add a host.
public struct Invitation: Hashable, Sendable {
    private static let line = CheckedLine(prefix: "swm1.", context: "swarmlet 2026-11-21 invitation check 1")
    private static let addressLimit = 8
    private static let textByteLimit = 255
    /// All tokens together, so that what an invitation can hold fits into its limit.
    private static let tokenByteLimit = 40_000

    /// Where to ask, best first: `host:port`.
    public let addresses: [String]
    /// What names the mesh: the key that founded it.
    public let meshKey: PublicKey
    /// Which key certifies its hosts: `meshKey`, or the one in its place.
    public let root: PublicKey
    /// For display only; the mesh is known by its key.
    public let meshName: String
    public let joinToken: JoinToken
    /// Shows that whoever signed the join token may admit.
    public let issuerChain: CertificateChain

    /// - Throws: `malformed` for more than 8 addresses or texts of more than 255 bytes.
    public init(
        addresses: [String], meshKey: PublicKey, root: PublicKey? = nil, meshName: String, joinToken: JoinToken,
        issuerChain: CertificateChain
    ) throws(TokenError) {
        guard addresses.count <= Invitation.addressLimit else {
            throw .malformed("an invitation has at most \(Invitation.addressLimit) addresses")
        }
        guard (addresses + [meshName]).allSatisfy({ $0.utf8.count <= Invitation.textByteLimit }) else {
            throw .malformed("an address or name has more than \(Invitation.textByteLimit) bytes")
        }
        let tokens = [joinToken.token] + issuerChain.certificates.map(\.token)
        guard tokens.reduce(0, { $0 + $1.utf8.count }) <= Invitation.tokenByteLimit else {
            throw .malformed("the tokens of an invitation have more than \(Invitation.tokenByteLimit) characters")
        }
        self.addresses = addresses
        self.meshKey = meshKey
        self.root = root ?? meshKey
        self.meshName = meshName
        self.joinToken = joinToken
        self.issuerChain = issuerChain
    }

    /// The line.
    public var text: String {
        var map = CBORMap()
        map.set(1, addresses)
        map.set(2, meshKey)
        map.set(3, meshName)
        map.set(4, joinToken)
        map.set(5, issuerChain)
        if root != meshKey { map.set(6, root) }
        return Invitation.line.text(map.encoded())
    }

    /// Reads a line. Spaces and line breaks are passed over: they are what mail and chat programs add.
    ///
    /// - Throws: `notAnInvitation`, `invitationTruncated` or `invitationMalformed`.
    public init(text: String) throws(TokenError) {
        let content: ArraySlice<UInt8>
        do { content = try Invitation.line.content(text) } catch {
            switch error {
            case .otherPrefix: throw .notAnInvitation
            case .truncated(let have, let total): throw .invitationTruncated(have: have, of: total)
            case .damaged: throw .invitationMalformed
            }
        }
        do {
            let map = try CBORMap(encoded: content)
            try self.init(
                addresses: map.require(1), meshKey: map.require(2), root: map.optional(6), meshName: map.require(3),
                joinToken: map.require(4), issuerChain: map.require(5))
        } catch {
            throw .invitationMalformed
        }
    }

    /// Checks that the invitation is consistent: its chain leads from its mesh key to the issuer of its join token, which
    /// may admit, and it is still good.
    ///
    /// - Parameter now: seconds since the Unix epoch.
    public func verify(now: Int64) throws(TokenError) -> JoinToken.Content {
        try joinToken.verify(chain: issuerChain, meshKey: meshKey, root: root, now: now)
    }
}
