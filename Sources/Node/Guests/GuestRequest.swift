import Scheduler
import Tokens

/// What a guest's own command can say about a job before it is sent.
public enum GuestRequest {
    /// - Parameter now: seconds since the Unix epoch, by the clock of this host; it is the mesh's that counts.
    /// - Throws: `accessDenied`, `accessLimit` or `accessExpired`.
    public static func check(_ spec: JobSpec, by grant: AccessGrant, now: Int64) throws(TokenError) {
        guard grant.acts.contains(.run) else { throw .accessDenied(allowed: grant.acts.description) }
        try GuestJob.asks(spec).check(within: grant.limits)
        guard now <= grant.expires + TokenTime.toleranceSeconds else {
            throw .accessExpired(id: grant.shortID, expired: grant.expires)
        }
    }
}
