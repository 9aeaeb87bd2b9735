import Codec
import Ring

@testable import Mesh
@testable import Tokens

/// What people carry and type.
enum TextFuzzing {
    private static let key = SigningKey(seed: [UInt8](repeating: 2, count: 32))

    /// The first byte says what the rest is.
    static func invitation(_ bytes: [UInt8]) -> String? {
        let rest = Array(bytes.dropFirst())
        let text = String(decoding: rest, as: UTF8.self)
        let mesh = key.publicKey.id
        switch bytes.first {
        case 0:
            guard let invitation = Fuzzer.taken({ () throws(TokenError) in try Invitation(text: text) }) else {
                return nil
            }
            let again = Fuzzer.taken { () throws(TokenError) in try Invitation(text: invitation.text) }
            return again == invitation ? nil : "an invitation that was taken does not survive being written"
        case 1:
            // Nobody but the fuzzer's key signs for it: what is taken must be one of the seeds.
            let content = Fuzzer.taken { () throws(TokenError) in
                try JoinToken(token: text).verify(signer: key.publicKey, mayAdmit: true, mesh: mesh, now: 0)
            }
            return content.map { $0.mesh == mesh ? nil : "a token for another mesh was taken" } ?? nil
        case 2:
            let token = Paseto.sign(rest, footer: KeyFooter.encode(mesh), implicit: JoinToken.purpose, with: key)
            let content = Fuzzer.taken { () throws(TokenError) in
                try JoinToken(token: token).verify(signer: key.publicKey, mayAdmit: true, mesh: mesh, now: 0)
            }
            return content.map { (1...10_000).contains($0.uses) ? nil : "\($0.uses) uses" } ?? nil
        case 3:
            let token = Paseto.sign(rest, footer: KeyFooter.encode(mesh), implicit: Certificate.purpose, with: key)
            _ = Fuzzer.taken { () throws(TokenError) in
                try Certificate(token: token).verify(signer: key.publicKey, mesh: mesh)
            }
            return nil
        case 4:
            guard let chain = Fuzzer.taken({ () throws(CodecError) in try CertificateChain(encoded: rest) }) else {
                return nil
            }
            _ = Fuzzer.taken { () throws(TokenError) in try chain.verify(meshKey: key.publicKey) }
            return chain.certificates.count <= CertificateChain.lengthLimit ? nil : "a chain that is too long"
        case 5:
            _ = Fuzzer.taken { () throws(TokenError) in try KeyID(text: text) }
            _ = MeshFingerprint(text: text)
            _ = SigningKeyFile.parse(rest[...])
            // Without Argon2id: what a line asks for is its own matter, and bounded.
            _ = Fuzzer.taken { () throws(TokenError) in try LockedKey(text) }
            _ = KeyLock(handover: rest[...])
            let key = Fuzzer.taken { () throws(TokenError) in try PublicKey(text: text) }
            return key.map { $0.text == text ? nil : "a key with two names" } ?? nil
        case 6: return Fuzzer.hasOneMeaning(NoiseKeyBinding.self, rest)
        case 7: return Fuzzer.hasOneMeaning(JoinProof.self, rest)
        default: return nil
        }
    }

    /// The first byte says what the rest is.
    static func texts(_ bytes: [UInt8]) -> String? {
        let rest = Array(bytes.dropFirst())
        let text = String(decoding: rest, as: UTF8.self)
        switch bytes.first {
        case 0:
            let parts = rest.split(separator: 0, maxSplits: 1)
            guard parts.count == 2, let glob = Glob(parts[0]) else { return nil }
            let names = parts[1].split(separator: RelativePath.slash).map(Array.init)
            return glob.matches(names) == glob.matches(names) ? nil : "a glob that changes its mind"
        case 1:
            let parts = rest.split(separator: 0, maxSplits: 1)
            guard parts.count == 2 else { return nil }
            let names = parts[1].split(separator: RelativePath.slash).map(Array.init)
            _ = IgnoreRules(text: Array(parts[0])).verdict(names: names[...], isDirectory: names.count % 2 == 0)
            return nil
        case 2:
            guard let address = Fuzzer.taken({ () throws(RingError) in try SocketAddress.parse(text) }) else {
                return nil
            }
            let again = Fuzzer.taken { () throws(RingError) in try SocketAddress.parse(address.description) }
            return again == address ? nil : "an address that does not survive being written"
        case 3:
            guard let time = Fuzzer.taken({ () throws(CodecError) in try RFC3339.parse(text) }) else { return nil }
            let written = RFC3339.format(time, fractionDigits: 9)
            let again = Fuzzer.taken { () throws(CodecError) in try RFC3339.parse(written) }
            return again == time ? nil : "a time that does not survive being written"
        case 4:
            guard let span = TimeSpan.parse(text) else { return nil }
            _ = TimeSpan.phrase(span)
            return TimeSpan.text(span).isEmpty ? "a span of time without words" : nil
        case 5:
            _ = DecimalText.parse(Substring(text))
            return RelativePath.flaw(of: text) == nil && text.split(separator: "/").contains("..")
                ? "a path that leads out" : nil
        case 6:
            return Hex.decode(text).map { Hex.encode($0) == text.lowercased() ? nil : "a second form of hex" } ?? nil
        case 7:
            let decoded = Fuzzer.taken { () throws(CodecError) in try Base64URL.decode(text) }
            return decoded.map { Base64URL.encode($0) == text ? nil : "a second form of base64url" } ?? nil
        default: return nil
        }
    }
}
