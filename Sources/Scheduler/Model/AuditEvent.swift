import Codec

/// One entry of the log of what happened: what a committed command did, as a line of JSON that is the same everywhere.
///
/// A line is one object without spaces, its members in the order of `line`, those without a value left out; all but
/// printable ASCII is escaped. It holds no token's text and no secret.
public struct AuditEvent: Hashable, Sendable {
    /// What was done.
    public enum Act: String, Sendable, CaseIterable {
        case levelRaised = "level.raised"
        case meshRecovered = "mesh.recovered"
        case memberAdmitted = "member.admitted"
        case memberRemoved = "member.removed"
        case memberRevoked = "member.revoked"
        case invitationMade = "invitation.made"
        case nodeLabelled = "node.labelled"
        case nodeCordoned = "node.cordoned"
        case nodeDrained = "node.drained"
        case nodeUncordoned = "node.uncordoned"
        case nodeVersion = "node.version"
        /// A node, or an issuer of tokens, has another key.
        case keyRotated = "key.rotated"
        case settingChanged = "setting.changed"
        case jobSubmitted = "job.submitted"
        case jobCancelled = "job.cancelled"
        case jobPaused = "job.paused"
        case jobResumed = "job.resumed"
        case tokenCreated = "token.created"
        case tokenRevoked = "token.revoked"
        case holderRevoked = "holder.revoked"
        case issuerAdded = "issuer.added"
        case issuerRevoked = "issuer.revoked"
        case tokensRevoked = "tokens.revoked"
        /// Requests that one daemon has refused, counted.
        case refused = "refused"
        /// Where a node's own log ends.
        case logAnchored = "log.anchored"
    }

    /// Counts from 0 without a gap: the index of its leaf in the tree.
    public var sequence: UInt64
    /// Nanoseconds since the Unix epoch, by the log.
    public var time: Int64
    public var act: Act
    /// Who did it, as the entry knows: `ana@owl`, the id of a holder's key; nil where the mesh did it by itself.
    public var actor: String?
    /// The node that it is about.
    public var node: String?
    /// What else it is about: a setting, an invitation, a version, a key.
    public var about: String?
    /// Names of the links of a token, root first.
    public var tokens: [String]
    /// Why it was refused, as a stable code; nil for what was done.
    public var code: String?
    /// How many requests were refused.
    public var count: UInt64?
    /// The hash of a guest's request, in hexadecimal digits.
    public var request: String?
    public var job: JobID?

    public init(
        sequence: UInt64 = 0, time: Int64 = 0, _ act: Act, actor: String? = nil, node: String? = nil,
        about: String? = nil, tokens: [String] = [], code: String? = nil, count: UInt64? = nil, request: String? = nil,
        job: JobID? = nil
    ) {
        self.sequence = sequence
        self.time = time
        self.act = act
        self.actor = actor
        self.node = node
        self.about = about
        self.tokens = tokens
        self.code = code
        self.count = count
        self.request = request
        self.job = job
    }

    /// The bytes that are a leaf of the tree, without a line feed.
    public var line: [UInt8] {
        var bytes = Array("{\"seq\":\(sequence),\"t\":\"\(RFC3339.format(time, fractionDigits: 3))\"".utf8)
        func add(_ key: String, _ value: String?) {
            guard let value else { return }
            bytes.append(contentsOf: ",\"\(key)\":\"".utf8)
            AuditEvent.escape(value, into: &bytes)
            bytes.append(UInt8(ascii: "\""))
        }
        add("actor", actor)
        add("node", node)
        add("act", act.rawValue)
        add("about", about)
        if !tokens.isEmpty {
            bytes.append(contentsOf: ",\"tokens\":[".utf8)
            for (index, token) in tokens.enumerated() {
                bytes.append(contentsOf: index > 0 ? ",\"".utf8 : "\"".utf8)
                AuditEvent.escape(token, into: &bytes)
                bytes.append(UInt8(ascii: "\""))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        add("decision", act == .refused ? "refused" : "done")
        add("code", code)
        if let count { bytes.append(contentsOf: ",\"count\":\(count)".utf8) }
        add("req", request)
        if let job { bytes.append(contentsOf: ",\"job\":\(job)".utf8) }
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    /// Unicode scalars of one text; what is longer is cut off.
    static let textMax = 200

    /// By scalars, not by characters: what is one character depends on the version of Unicode that a program knows.
    private static func escape(_ text: String, into bytes: inout [UInt8]) {
        for scalar in text.unicodeScalars.prefix(textMax) {
            switch scalar {
            case "\"", "\\": bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(scalar.value)])
            case " "..."~": bytes.append(UInt8(scalar.value))
            default:
                for unit in UTF16.encode(scalar)! {
                    bytes.append(contentsOf: "\\u".utf8)
                    bytes.append(contentsOf: Hex.encode([UInt8(unit >> 8), UInt8(unit & 0xFF)]).utf8)
                }
            }
        }
    }
}

extension AuditEvent {
    /// From a line, for people and filters; nil where it is none. What it says proves nothing: its place in the tree does.
    public init?(line: [UInt8]) {
        let document: JSON
        do { document = try JSON.parse(line, limits: JSONLimits(byteCount: 16 << 10, depth: 2, memberCount: 16)) } catch
        {
            return nil
        }
        guard let sequence = document["seq"]?.integerValue, sequence >= 0, let text = document["t"]?.stringValue,
            let act = document["act"]?.stringValue.flatMap(Act.init(rawValue:))
        else { return nil }
        let time: Int64
        do { time = try RFC3339.parse(text) } catch { return nil }
        self.init(
            sequence: UInt64(sequence), time: time, act, actor: document["actor"]?.stringValue,
            node: document["node"]?.stringValue, about: document["about"]?.stringValue,
            tokens: (document["tokens"]?.arrayValue ?? []).compactMap(\.stringValue),
            code: document["code"]?.stringValue,
            count: document["count"]?.integerValue.map { UInt64(clamping: $0) },
            request: document["req"]?.stringValue, job: document["job"]?.integerValue.map { JobID(clamping: $0) })
    }
}
