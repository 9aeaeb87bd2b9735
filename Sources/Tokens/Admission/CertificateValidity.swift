/// From when until when a certificate is good, for those outside of the mesh; or what all links of a chain leave of that.
///
/// Members go by the replicated state and not by these times, so a mesh that was switched off for long starts again.
public struct CertificateValidity: Hashable, Sendable {
    /// How long a certificate lives that a member signed, in seconds: 30 days.
    public static let memberSeconds: Int64 = 30 * secondsPerDay
    /// How long one lives that the mesh key signed, in seconds: 400 days. Its host had the mesh key, which could sign
    /// another at any time, so a shorter life would protect nothing.
    public static let rootSeconds: Int64 = 400 * secondsPerDay
    /// How far the clock of whoever signed may be ahead of the verifier's, in seconds. A certificate is renewed long before
    /// its end, so a wrong time zone keeps nobody out.
    public static let aheadSeconds: Int64 = secondsPerDay

    private static let secondsPerDay: Int64 = 86_400
    /// No certificate lives longer.
    private static let lifeMaxSeconds = rootSeconds

    /// Seconds since the Unix epoch.
    public let issued: Int64
    /// Seconds since the Unix epoch.
    public let expires: Int64

    /// - Throws: `malformed` for an end that is not after the beginning, or is more than 400 days after it.
    public init(issued: Int64, expires: Int64) throws(TokenError) {
        let (life, isBeyond) = expires.subtractingReportingOverflow(issued)
        guard !isBeyond, (1...CertificateValidity.lifeMaxSeconds).contains(life) else {
            throw .malformed("it is not good for 1 s to \(CertificateValidity.lifeMaxSeconds) s")
        }
        guard TokenTime.range.contains(issued), TokenTime.range.contains(expires) else {
            throw .malformed("it would be good outside of the years 1970 to 2261")
        }
        self.init(from: issued, until: expires)
    }

    private init(from issued: Int64, until expires: Int64) {
        self.issued = issued
        self.expires = expires
    }

    /// Of a certificate that is made now.
    ///
    /// - Parameter byMeshKey: whether the mesh key signs it, and not a member.
    public static func made(now: Int64, byMeshKey: Bool) throws(TokenError) -> CertificateValidity {
        try CertificateValidity(issued: now, expires: now + (byMeshKey ? rootSeconds : memberSeconds))
    }

    /// What both leave: nothing at all, where one ends before the other begins.
    func narrowed(to other: CertificateValidity) -> CertificateValidity {
        CertificateValidity(from: max(issued, other.issued), until: min(expires, other.expires))
    }

    /// Where a time lies.
    public enum Standing: Hashable, Sendable {
        case good
        /// Before `issued`, by more than clocks may differ.
        case notYet
        /// After `expires`, by more than `TokenTime.toleranceSeconds`.
        case expired
    }

    /// - Parameter now: seconds since the Unix epoch.
    public func standing(now: Int64) -> Standing {
        if now > expires + TokenTime.toleranceSeconds { return .expired }
        return now < issued - CertificateValidity.aheadSeconds ? .notYet : .good
    }
}
