/// The first bytes of who was connected to: `"swarmlet" version status`, and a cookie where that is what it wants to see.
struct SessionAnswer: Hashable, Sendable {
    enum Status: UInt8, CaseIterable, Sendable {
        case welcome = 0
        case busy = 1
        case versionUnknown = 2
        case otherMesh = 3
        /// Many knock: come again with the cookie that follows.
        case cookie = 4
    }

    /// What follows a status is told by it.
    let status: Status
    /// The version of the responder.
    let version: UInt8
    /// Whether the responder takes part in exchanges of keys.
    let canRekey: Bool

    init(_ status: Status) {
        self.status = status
        version = SessionConstants.version
        // Older initiators look at the version only where they are not welcome.
        canRekey = status == .welcome
    }

    /// What came: `SessionConstants.answerBytes` of them; nil where it is none of swarmlet's.
    init?(decoding bytes: [UInt8]) throws(MeshError) {
        guard bytes.count == SessionConstants.answerBytes, bytes.starts(with: SessionConstants.magic) else {
            return nil
        }
        guard let status = Status(rawValue: bytes[9]) else { throw .protocolViolation("status \(bytes[9])") }
        self.status = status
        canRekey = status == .welcome && bytes[8] & SessionConstants.rekeyFlag != 0
        version = status == .welcome ? bytes[8] & ~SessionConstants.rekeyFlag : bytes[8]
    }

    var encoded: [UInt8] {
        SessionConstants.magic + [version | (canRekey ? SessionConstants.rekeyFlag : 0), status.rawValue]
    }
}
