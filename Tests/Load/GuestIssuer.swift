import Codec
import Glibc
import Tokens

/// Somebody who has the key of an issuer and no mesh: makes tokens that are like one that a mesh has made.
struct GuestIssuer {
    private let keys: [SigningKey]
    private let model: AccessToken

    /// - Parameters:
    ///   - seeds: of the issuers' keys, in hexadecimal digits, joined by commas.
    ///   - model: a file with a token of the mesh: its addresses, members and limits are those of all that are made.
    init(seeds: String, model path: String) throws {
        keys = try seeds.split(separator: ",").map { SigningKey(seed: try GuestIssuer.bytes($0)) }
        model = try AccessToken(text: GuestIssuer.line(of: path))
    }

    var count: Int { keys.count }

    /// - Parameters:
    ///   - number: which of the keys signs it, in turns.
    ///   - uses: how many jobs it starts; 0: as many as fit into its time.
    ///   - now: seconds since the Unix epoch.
    func token(number: Int, uses: Int64, now: Int64) throws(TokenError) -> AccessToken {
        let grant = model.grant
        let (issuer, holder) = (keys[number % keys.count], SigningKey.generate())
        var offer = AccessOffer(
            acts: grant.acts, issuedAt: now, expires: now + 3_000,
            root: AccessLink.Root(
                audiences: [model.meshKey.id], notBefore: now, epoch: grant.root.epoch, madeBy: "nobody"))
        offer.limits = grant.limits
        offer.uses = uses
        return try AccessToken(
            chain: .issue(offer, to: holder.publicKey, mesh: model.meshKey.id, issuer: issuer),
            issuerKey: issuer.publicKey, holderKey: holder, meshKey: model.meshKey, root: model.root,
            meshName: model.meshName,
            addresses: model.addresses, members: model.members)
    }

    /// A new key: its seed, and its public half as `token issuer add` takes it.
    static func key() -> String {
        let key = SigningKey.generate()
        let digits = Array("0123456789abcdef")
        let seed = key.withSeed { $0.map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined() }
        return "\(seed) \(key.publicKey.text)"
    }

    private static func bytes(_ text: Substring) throws(LoadError) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        guard digits.count == 64, text.count == 64 else { throw .unreadable("a seed has 64 hexadecimal digits") }
        return (0..<32).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
    }

    /// The first line of a file.
    static func line(of path: String) throws(LoadError) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .system("open \(path)", errno) }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(file, &bytes, bytes.count)
        guard count >= 0 else { throw .system("read \(path)", errno) }
        return String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
