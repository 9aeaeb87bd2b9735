import Codec
import Mesh
import Ring
import Tokens

/// How somebody outside of a mesh reaches a member: nothing is said before the member has shown a chain of certificates
/// from the mesh key to the key of the connection, all of them good now. Confined to its loop.
struct FirstContact {
    let loop: any EventLoop
    let staticKey: NoiseKeyPair
    /// nil: whichever mesh answers.
    let meshKey: PublicKey?
    /// Which key of that mesh certifies its hosts, as far as it is known here; nil: the one that founded it.
    var root: PublicKey?
    /// Seconds since the Unix epoch, to look at certificates by.
    let now: Int64
    /// What else has to be true of the member's key and of what it shows.
    var check: @Sendable (PublicKey, MemberCredentials) throws -> Void = { _, _ in }

    private static let connectDeadline = Interval.seconds(5)

    /// Why a member that answered is not believed: the session itself knows the sentence alone.
    private final class Refusal: @unchecked Sendable {
        var reason: (any Error)?
    }

    func connect(
        to address: String
    ) async throws -> (session: Session, credentials: MemberCredentials, member: PublicKey) {
        let contact = self
        let refusal = Refusal()
        let verdict: @Sendable (SessionClaim) async -> SessionVerdict = { claim in
            do {
                _ = try contact.verify(claim.payload, noiseKey: claim.remoteKey)
                return .accept
            } catch {
                refusal.reason = error
                return .reject(APIFailure(error).message)
            }
        }
        let configuration = SessionConfiguration(
            staticKey: staticKey, meshID: meshKey.map(MeshMembership.meshID), payload: [], validate: verdict)
        let target = try await loop.resolve(address, defaultPort: MeshMembership.defaultPort)
        let session: Session
        do {
            session = try await Session.connect(
                loop, to: target, configuration, deadline: loop.after(FirstContact.connectDeadline))
        } catch {
            throw refusal.reason ?? error
        }
        let (credentials, member) = try verify(session.remotePayload, noiseKey: session.remoteKey)
        return (session, credentials, member)
    }

    private func verify(
        _ payload: [UInt8], noiseKey: [UInt8]
    ) throws -> (credentials: MemberCredentials, member: PublicKey) {
        let credentials = try MemberCredentials(encoded: payload)
        if let meshKey, credentials.meshKey != meshKey {
            throw TokenError.otherMesh(
                here: MeshFingerprint(meshKey: credentials.meshKey).text,
                invitation: MeshFingerprint(meshKey: meshKey).text)
        }
        if let known = root ?? meshKey { try credentials.checkRoot(knowing: known) }
        let member = try credentials.certificates.verify(
            meshKey: credentials.meshKey, root: credentials.root, now: now
        ).subject
        guard credentials.noiseBinding.noiseKey == noiseKey else { throw TokenError.proofInvalid }
        try credentials.noiseBinding.verify(identity: member)
        try check(member, credentials)
        return (credentials, member)
    }

    /// Which of two failures, at one address and at the next, says more: that of a member which answered.
    static func telling(_ earlier: (any Error)?, _ later: any Error) -> any Error {
        guard let earlier, earlier is TokenError || earlier is APIFailure, !(later is TokenError) else { return later }
        return earlier
    }
}
