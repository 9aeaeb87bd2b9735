import Codec

/// All that a host needs to join, as one line: where to ask, which mesh key to expect, and leave to join.
///
/// The line is `swm1.` and base64url of 3 bytes with the length of the whole line in characters, the content in CBOR, and
/// 4 check bytes. So a line that was cut off says by how much, and one that was altered is recognised before anything is
/// sent. Whoever holds it can add a host.
public struct Invitation: Hashable, Sendable {
    private static let prefix = "swm1."
    private static let characterLimit = 65_536
    private static let lengthByteCount = 3
    private static let checkByteCount = 4
    private static let checkContext = "swarmlet 2026-11-21 invitation check 1"
    private static let addressLimit = 8
    private static let textByteLimit = 255
    /// All tokens together, so that what an invitation can hold fits into its limit.
    private static let tokenByteLimit = 40_000

    /// Where to ask, best first: `host:port`.
    public let addresses: [String]
    public let meshKey: PublicKey
    /// For display only; the mesh is known by its key.
    public let meshName: String
    public let joinToken: JoinToken
    /// Shows that whoever signed the join token may admit.
    public let issuerChain: CertificateChain

    /// - Throws: `malformed` for more than 8 addresses or texts of more than 255 bytes.
    public init(
        addresses: [String], meshKey: PublicKey, meshName: String, joinToken: JoinToken, issuerChain: CertificateChain
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
        let content = map.encoded()
        let byteCount = Invitation.lengthByteCount + content.count + Invitation.checkByteCount
        let total = Invitation.prefix.utf8.count + (byteCount * 4 + 2) / 3
        precondition(total <= Invitation.characterLimit, "what the parts of an invitation may hold fits into its limit")
        var bytes = [UInt8(total >> 16), UInt8(total >> 8 & 0xFF), UInt8(total & 0xFF)] + content
        bytes += Invitation.check(bytes[...])
        return Invitation.prefix + Base64URL.encode(bytes)
    }

    /// Reads a line. Spaces and line breaks are passed over: they are what mail and chat programs add.
    ///
    /// - Throws: `notAnInvitation`, `invitationTruncated` or `invitationMalformed`.
    public init(text: String) throws(TokenError) {
        let characters = text.utf8.filter { $0 != 0x20 && !(0x09...0x0D).contains($0) }
        let prefix = Array(Invitation.prefix.utf8)
        guard characters.count <= Invitation.characterLimit, characters.starts(with: prefix) else {
            throw .notAnInvitation
        }
        // The first four characters are the three bytes of the length.
        let body = characters[prefix.count...]
        guard body.count >= 4 else { throw .invitationTruncated(have: characters.count, of: nil) }
        let bytes: [UInt8]
        do {
            let length = try Base64URL.decode(body.prefix(4))
            let total = Int(length[0]) << 16 | Int(length[1]) << 8 | Int(length[2])
            guard total <= Invitation.characterLimit else { throw TokenError.invitationMalformed }
            if characters.count < total {
                throw TokenError.invitationTruncated(have: characters.count, of: total)
            }
            guard characters.count == total else { throw TokenError.invitationMalformed }
            bytes = try Base64URL.decode(body)
        } catch let error as TokenError {
            throw error
        } catch {
            throw .invitationMalformed
        }
        guard bytes.count > Invitation.lengthByteCount + Invitation.checkByteCount,
            bytes.suffix(Invitation.checkByteCount).elementsEqual(
                Invitation.check(bytes.dropLast(Invitation.checkByteCount)))
        else { throw .invitationMalformed }
        do {
            let content = bytes[Invitation.lengthByteCount..<bytes.count - Invitation.checkByteCount]
            let map = try CBORMap(encoded: content)
            try self.init(
                addresses: map.require(1), meshKey: map.require(2), meshName: map.require(3), joinToken: map.require(4),
                issuerChain: map.require(5))
        } catch {
            throw .invitationMalformed
        }
    }

    /// Checks that the invitation is consistent: its chain leads from its mesh key to the issuer of its join token, which
    /// may admit, and it is still good.
    ///
    /// - Parameter now: seconds since the Unix epoch.
    public func verify(now: Int64) throws(TokenError) -> JoinToken.Content {
        try joinToken.verify(chain: issuerChain, meshKey: meshKey, now: now)
    }

    private static func check(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var hasher = BLAKE3(deriveKeyContext: checkContext)
        hasher.update(bytes)
        return hasher.output(byteCount: checkByteCount)
    }
}
