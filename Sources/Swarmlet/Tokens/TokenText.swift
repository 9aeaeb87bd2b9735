import Codec
import Tokens

/// What a token allows, in plain words.
enum TokenText {
    /// The lines of `token inspect`.
    static func lines(_ token: AccessToken, now: Int64) -> [(name: String, text: String)] {
        let grant = token.grant
        var lines: [(name: String, text: String)] = [
            ("mesh", "\(token.meshName), fingerprint \(MeshFingerprint(meshKey: token.root))"),
            ("issuer", grant.root.madeBy ?? token.issuerKey.id.text), ("allows", allows(grant)),
            ("limits", limits(grant.limits)),
        ]
        if let about = about(grant) { lines.append(("only", about)) }
        let start = Timestamp.rfc3339(Instant(nanoseconds: grant.expires * 1_000_000_000))
        let left = grant.expires - now
        lines.append(
            (
                grant.acts.contains(.run) ? "start by" : "until",
                "\(start) (\(left > 0 ? "in \(span(left))" : "\(span(-left)) ago"))"
            ))
        if grant.acts.contains(.run) {
            lines.append(
                (
                    "results",
                    "until \(AccessLimit.keep.text(grant.limits[.keep] ?? AccessConstants.keepSeconds)) after the job ends"
                ))
        }
        if grant.links.count > 1 {
            let times = grant.links.count == 2 ? "once" : "\(grant.links.count - 1) times"
            lines.append(("narrowed", "\(times) since it was issued"))
        }
        lines.append(
            (
                "holder",
                token.holderKey == nil
                    ? "the key \(grant.holder.text), which is not in this token"
                    : "the key in this file: whoever has the file can use it"
            ))
        lines.append(
            (
                "checked",
                "format and links are good; not asked (offline): whether it is used up or revoked"
            ))
        return lines
    }

    static func json(_ token: AccessToken) -> JSON {
        let grant = token.grant
        func time(_ seconds: Int64) -> JSON { .time(seconds * 1_000_000_000) }
        return .object([
            ("schema_version", .integer(1)), ("id", .string(grant.shortID)), ("mesh", .string(token.meshName)),
            ("fingerprint", .string(MeshFingerprint(meshKey: token.root).text)),
            ("addresses", .array(token.addresses.map { .string($0) })),
            ("issuer", .string(token.issuerKey.id.text)), ("made_by", .optional(grant.root.madeBy)),
            ("acts", .array(grant.acts.all.map { .string($0.rawValue) })),
            ("limits", .object(grant.limits.named.map { ($0.limit.rawValue, .integer($0.value)) })),
            ("uses", .integer(grant.uses)), ("not_before", time(grant.root.notBefore)),
            ("start_by", time(grant.expires)),
            ("links", .array(grant.names.map { .string($0) })), ("further_links", .integer(grant.delegations)),
            ("holder", .string(grant.holder.text)), ("holder_key_inside", .bool(token.holderKey != nil)),
        ])
    }

    /// `token 9f3c: 1 job, to be started before 16:20 UTC (2h), at most 1 GPU, 32 GiB, 4h; results kept 24h after it ends`
    static func summary(_ grant: AccessGrant, now: Int64) -> String {
        let until = Timestamp.clock(Instant(nanoseconds: grant.expires * 1_000_000_000))
        let left = AccessLimit.wall.text(max(0, grant.expires - now))
        let bounds = resources(grant.limits)
        let most = bounds.isEmpty ? "" : ", at most \(bounds.joined(separator: ", "))"
        guard grant.acts.contains(.run) else {
            return "token \(grant.shortID): \(grant.acts) until \(until) (\(left))\(most)"
        }
        let jobs = grant.uses == 0 ? "jobs" : grant.uses == 1 ? "1 job" : "\(grant.uses) jobs"
        let keep = AccessLimit.keep.text(grant.limits[.keep] ?? AccessConstants.keepSeconds)
        return "token \(grant.shortID): \(jobs), to be started before \(until) (\(left))\(most); "
            + "results kept \(keep) after \(grant.uses == 1 ? "it ends" : "each ends")"
    }

    /// Whether an address is one that only its own network reaches (RFC 1918, 4193, 6598; loopback, link-local).
    static func isPrivate(_ address: String) -> Bool {
        if address.hasPrefix("[f") || address.hasPrefix("[::1]") || address.hasPrefix("localhost") { return true }
        let parts = address.split(separator: ":")[0].split(separator: ".").map { Int($0) }
        guard parts.count == 4, let first = parts[0], let second = parts[1] else { return false }
        switch first {
        case 10, 127: return true
        case 100: return (64...127).contains(second)
        case 169: return second == 254
        case 172: return (16...31).contains(second)
        case 192: return second == 168
        default: return false
        }
    }

    private static func allows(_ grant: AccessGrant) -> String {
        var parts: [String] = []
        let isOne = grant.uses == 1
        if grant.acts.contains(.run) {
            parts.append(grant.uses == 0 ? "start jobs" : isOne ? "start 1 job" : "start \(grant.uses) jobs")
        }
        let owner = isOne ? "its" : "their"
        var rest: [String] = []
        if grant.acts.contains(.logs) { rest.append("read \(owner) log\(isOne ? "" : "s")") }
        if grant.acts.contains(.fetch) { rest.append("fetch \(owner) files") }
        if grant.acts.contains(.cancel) { rest.append("cancel \(isOne ? "it" : "them")") }
        if !rest.isEmpty { parts.append(rest.joined(separator: ", ")) }
        if grant.acts.contains(.status) { parts.append("see the members of the mesh") }
        return parts.joined(separator: "; ")
    }

    private static func resources(_ limits: AccessLimits) -> [String] {
        [AccessLimit.cpu, .gpu, .memory, .wall, .disk, .processes, .tasks].compactMap { limit in
            limits[limit].map { limit.text($0) }
        }
    }

    private static func limits(_ limits: AccessLimits) -> String {
        var parts = resources(limits)
        if let bytes = limits[.output] { parts.append("\(AccessLimit.output.text(bytes)) fetched") }
        let text = parts.isEmpty ? "those that the mesh sets for guests" : parts.joined(separator: ", ")
        switch limits[.network] {
        case 0: return text + "; no network"
        case 1: return text + "; network during setup only"
        case 2: return text + "; network"
        default: return text
        }
    }

    /// The narrowest list of each kind.
    private static func about(_ grant: AccessGrant) -> String? {
        var parts: [String] = []
        for kind in AccessScope.Kind.allCases {
            guard let patterns = grant.links.last(where: { $0.scope[kind] != nil })?.scope[kind] else { continue }
            parts.append("\(kind.rawValue) \(patterns.joined(separator: ", "))")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }

    private static func span(_ seconds: Int64) -> String {
        TimeSpan.text(Interval(nanoseconds: seconds * 1_000_000_000))
    }
}
