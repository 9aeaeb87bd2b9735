import CSodium
import Codec
import Ring

/// Cookies of a listener on which many knock: who shows one has received it where he says he is. Nothing is kept of those
/// who were given one (WireGuard's cookies, Donenfeld 2017, section 5.4.7, for connections).
///
/// A cookie is a mac over the address, its port left out, under a secret that is replaced every two minutes; the one
/// before it still counts.
struct SessionCookies: Sendable {
    private let makeSecret: @Sendable () -> NoiseSecret
    private struct Secret: Sendable {
        var bytes: NoiseSecret
        var madeAt: Instant
    }

    /// The newest first, two at most.
    private var secrets: [Secret] = []

    /// - Parameter makeSecret: fresh random bytes, `SessionConstants.cookieSecretBytes` of them.
    init(_ makeSecret: @escaping @Sendable () -> NoiseSecret) { self.makeSecret = makeSecret }

    mutating func cookie(for address: SocketAddress, at now: Instant) -> [UInt8] {
        if let newest = secrets.first, now - newest.madeAt < SessionConstants.cookieSecretAge {
            return Self.mac(newest.bytes, address)
        }
        let fresh = Secret(bytes: makeSecret(), madeAt: now)
        secrets = [fresh] + secrets.prefix(1)
        return Self.mac(fresh.bytes, address)
    }

    func isValid(_ cookie: [UInt8], for address: SocketAddress, at now: Instant) -> Bool {
        guard cookie.count == SessionConstants.cookieBytes else { return false }
        return secrets.contains {
            now - $0.madeAt < SessionConstants.cookieSecretAge * 2
                && sodium_memcmp(Self.mac($0.bytes, address), cookie, cookie.count) == 0
        }
    }

    private static func mac(_ secret: NoiseSecret, _ address: SocketAddress) -> [UInt8] {
        let input = Array(address.with(port: 0).description.utf8)
        return [UInt8](unsafeUninitializedCapacity: SessionConstants.cookieBytes) { output, count in
            count = SessionConstants.cookieBytes
            secret.withBytes { secret in
                _ = crypto_generichash(
                    output.baseAddress!, count, input, UInt64(input.count), secret,
                    SessionConstants.cookieSecretBytes)
            }
        }
    }
}
