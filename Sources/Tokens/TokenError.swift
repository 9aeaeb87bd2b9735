/// Why a key, a signature or an admission was refused. No case changes any state.
public enum TokenError: Error, Hashable, Sendable {
    // MARK: The library
    /// libsodium could not be started.
    case libraryFailed
    /// libsodium gives a wrong answer to a known question, said in a few words.
    case libraryUnsafe(String)

    // MARK: Keys
    /// Other users may read the key file.
    case keyReadable(path: String)
    /// The key file belongs to another user, or is no plain file.
    case keyForeign(path: String)
    case keyMissing(path: String)
    /// A key file is there already; it is never overwritten.
    case keyExists(path: String)
    /// The file does not hold a key.
    case keyDamaged(path: String)
    /// The system refused to read or write the file, with its reason.
    case keyFile(path: String, reason: String)
    /// Not a public key that may be trusted: wrong length, not on the curve, or outside the prime-order group.
    case keyInvalid
    /// Not a line that holds a key.
    case notAKey
    /// A locked key did not open.
    case passphraseWrong
    /// The file holds a key that is locked by a passphrase, and none was given.
    case keyLocked(path: String)
    /// The file holds a key that is locked by another passphrase, or was altered: which of the two cannot be told.
    case keyNotOpened(path: String)

    // MARK: Signed messages
    /// Not a token of the expected form, said in a few words.
    case malformed(String)
    /// The signature does not fit the text, the key and the purpose.
    case signatureInvalid
    /// A certificate chain does not lead from the mesh key to the node, said in a few words.
    case chainInvalid(String)
    /// The certificates of a member are over for those outside of the mesh. Seconds since the Unix epoch.
    case certificateExpired(name: String, expired: Int64)
    /// They begin later than it is by the clock here. Seconds since the Unix epoch.
    case certificateNotYet(name: String, from: Int64)
    /// They have no end, as those of versions before level 7 of the protocol.
    case certificateEndless(name: String)

    // MARK: Joining
    case notAnInvitation
    /// Characters found, and how many there should be where that is known.
    case invitationTruncated(have: Int, of: Int?)
    case invitationMalformed
    /// `id` is the invitation's short id, `expired` the time in seconds since the Unix epoch.
    case joinTokenExpired(id: String, expired: Int64)
    /// All uses are gone; `uses` says by whom and when, as the mesh tells it.
    case joinTokenUsed(id: String, uses: String)
    /// Mesh names, or ids where the names are not known; `size` is what the mesh of this node holds, such as
    /// `1 node, no jobs`.
    case otherMesh(here: String, size: String? = nil, invitation: String)
    /// Fingerprints of the mesh key by which a host is certified, and of the one that was expected.
    case otherMeshKey(shown: String, known: String)
    /// Whoever signed the join token may not admit nodes.
    case issuerMayNotAdmit(issuer: String)
    /// The joining node did not prove that it holds its key in this very connection.
    case proofInvalid

    // MARK: Access
    case notAnAccessToken
    /// Characters found, and how many there should be where that is known.
    case accessTruncated(have: Int, of: Int?)
    case accessDamaged
    /// All that a caller is told where form, issuer or a signature is wrong.
    case accessInvalid
    /// Seconds since the Unix epoch.
    case accessExpired(id: String, expired: Int64)
    case accessNotYet(id: String, from: Int64)
    /// Who made it may not issue tokens any more. Seconds since the Unix epoch.
    case accessIssuerExpired(name: String, expired: Int64)
    /// Who withdrew it, as people know him, and when in seconds since the Unix epoch.
    case accessRevoked(by: String, at: Int64)
    /// The key that signed it has been replaced, at that time in seconds since the Unix epoch.
    case accessKeyReplaced(issuer: String, at: Int64)
    /// The mesh withdrew all tokens of its time.
    case accessEpoch
    /// What it allows is something else.
    case accessDenied(allowed: String)
    /// More is asked than one of its limits allows.
    case accessLimit(AccessLimit, allowed: Int64, asked: Int64)
    /// A job, path, node or label that it is not about.
    case accessScope(AccessScope.Kind)
    /// Whoever asks does not show that the token is his, here and for this.
    case accessProof(String)
    /// This node has not heard for that many seconds what is revoked.
    case accessStale(seconds: Int64)
    /// The mesh believes the tokens that it made, and this is none of them.
    case accessNotIssued
    /// More is asked with it in a second than this node answers; after so long it may ask again.
    case accessRate(milliseconds: Int64)
    /// So many calls of it are open here already.
    case accessCallsOpen(Int)
    /// A link would allow more than the one above it; says what.
    case accessWider(String)
    /// The holder's key is not in the token.
    case accessKeyElsewhere
    /// Who answers was no member of the mesh when the token was made.
    case accessMemberUnknown
}

extension TokenError {
    /// Stable name of the error, for exit codes and the API.
    public var code: String {
        switch self {
        case .libraryFailed: "tokens.library_failed"
        case .libraryUnsafe: "tokens.library_unsafe"
        case .keyReadable: "tokens.key_readable"
        case .keyForeign: "tokens.key_foreign"
        case .keyMissing: "tokens.key_missing"
        case .keyExists: "tokens.key_exists"
        case .keyDamaged: "tokens.key_damaged"
        case .keyFile: "tokens.key_file"
        case .keyInvalid: "tokens.key_invalid"
        case .notAKey: "tokens.not_a_key"
        case .passphraseWrong, .keyNotOpened: "tokens.passphrase_wrong"
        case .keyLocked: "tokens.key_locked"
        case .malformed: "tokens.malformed"
        case .signatureInvalid: "tokens.signature_invalid"
        case .chainInvalid: "tokens.chain_invalid"
        case .certificateExpired: "mesh.certificate.expired"
        case .certificateNotYet: "mesh.certificate.not_yet"
        case .certificateEndless: "mesh.certificate.endless"
        case .notAnInvitation: "mesh.join.not_an_invitation"
        case .invitationTruncated: "mesh.join.invitation_truncated"
        case .invitationMalformed: "mesh.join.invitation_malformed"
        case .joinTokenExpired: "mesh.join.token_expired"
        case .joinTokenUsed: "mesh.join.token_used"
        case .otherMesh: "mesh.join.other_mesh"
        case .otherMeshKey: "mesh.certificate.other_key"
        case .issuerMayNotAdmit: "mesh.join.issuer_may_not_admit"
        case .proofInvalid: "mesh.join.proof_invalid"
        case .notAnAccessToken: "token.not_a_token"
        case .accessTruncated: "token.truncated"
        case .accessDamaged: "token.damaged"
        case .accessInvalid: "token.invalid"
        case .accessExpired: "token.expired"
        case .accessNotYet: "token.not_yet"
        case .accessIssuerExpired: "token.issuer_expired"
        case .accessRevoked, .accessEpoch: "token.revoked"
        case .accessKeyReplaced: "token.key_replaced"
        case .accessDenied: "auth.denied"
        case .accessLimit(let limit, _, _): "token.limit.\(limit.code)"
        case .accessScope(let kind): "token.scope.\(kind.rawValue)"
        case .accessProof: "token.proof"
        case .accessStale: "token.view_old"
        case .accessNotIssued: "token.not_issued"
        case .accessRate: "token.rate"
        case .accessCallsOpen: "token.calls_open"
        case .accessWider: "token.wider"
        case .accessKeyElsewhere: "token.key_elsewhere"
        case .accessMemberUnknown: "token.member_unknown"
        }
    }

    /// One sentence for a person.
    public var message: String {
        switch self {
        case .libraryFailed: "libsodium could not be started"
        case .libraryUnsafe(let what): "this libsodium must not be used: \(what)"
        case .keyReadable(let path): "other users may read the key \(path)"
        case .keyForeign(let path): "the key \(path) is not a plain file of the user who runs swarmlet"
        case .keyMissing(let path): "there is no key at \(path)"
        case .keyExists(let path): "there is a key at \(path) already"
        case .keyDamaged(let path): "\(path) does not hold a key"
        case .keyFile(let path, let reason): "cannot read or write the key \(path): \(reason)"
        case .keyInvalid: "this is not a valid public key"
        case .notAKey: "this is not a key"
        case .passphraseWrong: "the passphrase does not open this key"
        case .keyLocked(let path): "the key \(path) is locked by a passphrase, and none was given"
        case .keyNotOpened(let path): "the passphrase does not open the key \(path)"
        case .malformed(let what): "this is not a valid token: \(what)"
        case .signatureInvalid: "the signature does not fit"
        case .chainInvalid(let what): "the node cannot show that it belongs to the mesh: \(what)"
        case .certificateExpired(let name, let expired):
            "the certificate of \(name) ended at \(TokenTime.text(expired)): it does not show any more who is a member"
        case .certificateNotYet(let name, let from):
            "the certificate of \(name) is of \(TokenTime.text(from)), which is to come by the clock here"
        case .certificateEndless(let name):
            "the certificate of \(name) has no end, as older versions made them, and is taken from members alone"
        case .notAnInvitation: "this is not an invitation"
        case .invitationTruncated(let have, let total?):
            "the invitation is cut off: \(have) of \(total) characters"
        case .invitationTruncated(let have, nil): "the invitation is cut off after \(have) characters"
        case .invitationMalformed: "the invitation is damaged"
        case .joinTokenExpired(let id, let expired): "invitation \(id) ran out at \(TokenTime.clock(expired)) UTC"
        case .joinTokenUsed(let id, let uses): "invitation \(id) is used up: \(uses)"
        case .otherMesh(let here, let size, let invitation):
            "this node belongs to mesh \(here)\(size.map { " (\($0))" } ?? ""), the invitation is for mesh \(invitation)"
        case .otherMeshKey(let shown, let known):
            "the host is certified by the mesh key \(shown), and shows no way to it from the one that is known, \(known)"
        case .issuerMayNotAdmit(let issuer): "the invitation was made by \(issuer), which may not admit nodes"
        case .proofInvalid: "the joining node did not prove that it holds its key"
        case .notAnAccessToken: "this is not an access token"
        case .accessTruncated(let have, let total?): "the token is cut off: \(have) of \(total) characters"
        case .accessTruncated(let have, nil): "the token is cut off after \(have) characters"
        case .accessDamaged: "the token is damaged"
        case .accessInvalid: "this token is not valid here"
        case .accessExpired(let id, let expired): "token \(id) ran out at \(TokenTime.clock(expired)) UTC"
        case .accessIssuerExpired(let name, let expired):
            "\(name), who made this token, could issue tokens until \(TokenTime.text(expired))"
        case .accessNotYet(let id, let from): "token \(id) is good from \(TokenTime.text(from))"
        case .accessRevoked(let by, let at): "this token was revoked by \(by) at \(TokenTime.clock(at)) UTC"
        case .accessEpoch: "all tokens of the time of this one were revoked"
        case .accessKeyReplaced(let issuer, let at):
            "\(issuer) signed this token with a key that was replaced at \(TokenTime.clock(at)) UTC"
        case .accessDenied(let allowed): "denied: this token allows \(allowed) for its own jobs"
        case .accessLimit(let limit, let allowed, let asked):
            "the token allows \(limit.text(allowed)), the job asks for \(limit.text(asked, isShort: true))"
        case .accessScope(let kind): "the token is not about this \(kind.rawValue)"
        case .accessProof(let what): "whoever asks does not show that the token is theirs: \(what)"
        case .accessStale(let seconds): "this node has not heard for \(seconds) s which tokens are revoked"
        case .accessNotIssued: "this token was not made through the mesh, which wants that"
        case .accessRate: "more is asked with this token, or by its issuer, than this node answers in a second"
        case .accessCallsOpen(let count): "\(count) calls of this token are open at this node, as many as there may be"
        case .accessWider(let what): "a token can only be narrowed: this would widen \(what)"
        case .accessKeyElsewhere: "the key of this token's holder is not in it"
        case .accessMemberUnknown: "the host that answers was no member of the mesh when the token was made"
        }
    }

    /// What the person can do about it.
    public var hint: String {
        switch self {
        case .libraryFailed: "check that the system's random source works (getrandom or /dev/urandom)"
        case .libraryUnsafe: "use a build of swarmlet with libsodium of 2026 or later"
        case .keyReadable(let path): "chmod 600 \(path), and make a new key if someone else may have read it"
        case .keyForeign(let path): "make it a plain file of that user: chown \"$USER\" \(path)"
        case .keyMissing, .keyDamaged: "give the path of a key made by swarmlet, or restore it from your copy"
        case .keyExists: "move the old key away first, if it is no longer needed"
        case .keyFile: "check the directory and its owner"
        case .notAKey: "a key is the one line that swarmlet key export writes"
        case .passphraseWrong, .keyNotOpened: "try another, or ask whoever locked it; nothing was changed"
        case .keyLocked:
            "say where it is: --passphrase file:PATH, or give it to the service as the credential swarmlet-passphrase"
        case .keyInvalid, .malformed, .signatureInvalid: "ask whoever made it for a new one"
        case .chainInvalid: "check with swarmlet members on another node that this node was not removed"
        case .certificateExpired, .certificateNotYet:
            "check the clock of this host: date -u. If it is right, on a host of the mesh: swarmlet doctor"
        case .certificateEndless: "it gets another when the whole mesh runs this version: swarmlet upgrade there"
        case .notAnInvitation: "an invitation is one line that starts with swm1. ; make one with: swarmlet invite"
        case .invitationTruncated: "copy the whole line, or send it by ssh: swarmlet invite | ssh HOST swarmlet join -"
        case .invitationMalformed: "copy it again as one line, or make another: swarmlet invite"
        case .joinTokenExpired: "make another on a member of the mesh: swarmlet invite"
        case .joinTokenUsed:
            "if all are yours, make another: swarmlet invite. If not: swarmlet node revoke NAME"
        case .otherMesh(let here, _, _): "to give up mesh \(here): swarmlet leave --forget, then join again"
        case .otherMeshKey:
            "ask the mesh for a new token or invitation: its key was rotated, or somebody pretends to be it"
        case .issuerMayNotAdmit: "make the invitation on another node of the mesh"
        case .proofInvalid: "start the join again"
        case .notAnAccessToken, .accessTruncated, .accessDamaged:
            "it is one line that begins with swa1. Ask for it as a file; chat programs break long lines"
        case .accessRate(let milliseconds):
            "nothing was done and the token is not used. Try again in \((milliseconds + 999) / 1_000) s"
        case .accessCallsOpen: "end one of them, such as a logs -f; nothing was done and the token is not used"
        case .accessInvalid, .accessExpired, .accessRevoked, .accessEpoch, .accessNotIssued, .accessKeyReplaced:
            "ask whoever gave it to you for another"
        case .accessIssuerExpired(let name, _):
            "ask an administrator of the mesh to add it again: swarmlet token issuer add KEY \(name)"
        case .accessNotYet: "wait until then, and check the clock of this host: date -u"
        case .accessDenied, .accessScope: "what it allows: swarmlet token inspect file:PATH"
        case .accessLimit(let limit, let allowed, _):
            "nothing was sent and the token is not used. Try: --\(limit.word) \(limit.text(allowed, isShort: true))"
        case .accessProof: "try again; if it stays so, ask for another token"
        case .accessStale: "wait until most voters of the mesh are there again, or ask another node"
        case .accessWider: "leave that out, or ask whoever gave you the token for a wider one"
        case .accessMemberUnknown: "ask whoever gave you the token for a new one"
        case .accessKeyElsewhere: "narrow it where that key is, or ask for a token without --holder"
        }
    }
}
