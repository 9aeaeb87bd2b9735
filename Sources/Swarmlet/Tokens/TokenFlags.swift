import Codec
import Tokens

/// The flags by which a token is bounded: spelled as those of `run`, one vocabulary for both.
enum TokenFlags {
    static let bounds: [Flag] = [
        Flag(
            "act", .text(placeholder: "ACT,..."),
            "what it allows: \(AccessAct.allCases.map(\.rawValue).joined(separator: " "))"),
        Flag("uses", .count(placeholder: "N", 1...10_000), "how many jobs it may start"),
        Flag("gpus", short: "g", .count(placeholder: "N", 0...1024), "GPUs of a job at most"),
        Flag("cpus", short: "c", .thousandths(placeholder: "N"), "CPUs of a job at most"),
        Flag("mem", short: "m", .size, "memory of a job at most"),
        Flag("disk", .size, "what a job may keep on disk at most"),
        Flag("time", .duration, "how long a job may run at most"),
        Flag("network", .choice(["on", "off", "setup-only"]), "when a job may reach the network"),
        Flag("out-bytes", .size, "how much may be fetched"),
        Flag("tasks", .count(placeholder: "N", 1...1_000_000), "tasks of a job at most"),
        Flag("ttl", .duration, "how long from now jobs may be started"),
        Flag("keep", .duration, "how long after its end a job's log and files stay the holder's"),
        Flag("job", .text(placeholder: "JOB"), occurrence: .repeated, "only this job, also somebody else's"),
        Flag(
            "path", .text(placeholder: "PATH"), occurrence: .repeated,
            "only this file of a job, or PATH/** for what is below"),
        Flag("node", .text(placeholder: "NODE"), occurrence: .repeated, "only on this node"),
        Flag("label", .text(placeholder: "NAME=VALUE"), occurrence: .repeated, "only on nodes with this label"),
        Flag("holder", .text(placeholder: "KEY"), "whom it is for: a k4.public. key, instead of a new one in it"),
    ]

    static func acts(_ invocation: Invocation) throws(CommandError) -> AccessAct.Several? {
        guard let text = invocation.text("act") else { return nil }
        var acts: [AccessAct] = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let act = AccessAct(rawValue: String(word)) else {
                throw .badValue(
                    flag: "--act", value: String(word),
                    expectation: AccessAct.allCases.map(\.rawValue).joined(separator: " or "),
                    command: invocation.command.name)
            }
            acts.append(act)
        }
        return AccessAct.Several(acts)
    }

    static func limits(_ invocation: Invocation) -> AccessLimits {
        var limits = AccessLimits()
        func number(_ value: UInt64?) -> Int64? { value.map { Int64(clamping: $0) } }
        func seconds(_ flag: String) -> Int64? {
            invocation.interval(flag).map { max(1, $0.nanoseconds / 1_000_000_000) }
        }
        limits[.gpu] = number(invocation.count("gpus"))
        limits[.cpu] = number(invocation.count("cpus"))
        limits[.memory] = number(invocation.bytes("mem"))
        limits[.disk] = number(invocation.bytes("disk"))
        limits[.wall] = seconds("time")
        limits[.output] = number(invocation.bytes("out-bytes"))
        limits[.tasks] = number(invocation.count("tasks"))
        limits[.keep] = seconds("keep")
        switch invocation.text("network") {
        case "off": limits[.network] = 0
        case "setup-only": limits[.network] = 1
        case "on": limits[.network] = 2
        default: break
        }
        return limits
    }

    static func scope(_ invocation: Invocation) -> AccessScope {
        var scope = AccessScope()
        for kind in AccessScope.Kind.allCases where invocation.has(kind.rawValue) {
            scope[kind] = invocation.texts(kind.rawValue)
        }
        return scope
    }

    static func holder(_ invocation: Invocation) throws(CommandError) -> PublicKey? {
        guard let text = invocation.text("holder") else { return nil }
        do { return try PublicKey(text: text) } catch {
            throw .badValue(
                flag: "--holder", value: text, expectation: "a key that begins with k4.public.",
                command: invocation.command.name)
        }
    }

    /// Seconds since the Unix epoch until which jobs may be started.
    static func expires(_ invocation: Invocation, now: Int64) -> Int64? {
        invocation.interval("ttl").map { now + max(1, $0.nanoseconds / 1_000_000_000) }
    }
}
