import Node
import Scheduler

/// Flags about this host that `up`, `join` and `daemon` share; the daemon keeps them in its data directory.
enum HostFlags {
    static let daemon: [Flag] = [
        Flag("listen", .text(placeholder: "ADDRESS[:PORT]"), "address or interface for other nodes (default: all)"),
        Flag("port", .count(placeholder: "N", 0...65_535), "port, TCP and UDP (default 7717; 0: any free one)"),
        Flag("simulate-gpus", .text(placeholder: "N[:MODEL]"), "show N GPUs that are not there, labelled simulated"),
        Flag(
            "least-profile", .choice(SandboxProfile.allCases.map(\.name)),
            "refuse jobs kept apart less (default: none as root, else standard)"),
        Flag(
            "allow-mount", .text(placeholder: "PATH[:rw]"), occurrence: .repeated,
            "let jobs mount it and what is below (- for nothing)"),
        Flag(
            "idle-only", .text(placeholder: "RULE"), occurrence: .repeated,
            "only while you are away: input[=5m], load=CPUS, command=PATH (- always)"),
        Flag(
            "hours", .text(placeholder: "SPAN"), occurrence: .repeated,
            "jobs only then: 'mon-fri 19:00-07:00', 'sat,sun 00:00-24:00' (- always)"),
        Flag("share", .count(placeholder: "PERCENT", 1...100), "of CPUs, memory and GPUs for jobs (default 100)"),
        PassphraseSource.flag,
    ]

    /// What was said about the owner of this host.
    static func owner(_ invocation: Invocation) throws(CommandError) -> OwnerWishes {
        var wishes = OwnerWishes(share: invocation.count("share"))
        if invocation.has("idle-only") { wishes.idle = try rules("idle-only", invocation, IdleRule.init) }
        if invocation.has("hours") { wishes.hours = try rules("hours", invocation, OpeningHours.init) }
        return wishes
    }

    private static func rules<Rule>(
        _ flag: String, _ invocation: Invocation, _ parse: (String) -> Rule?
    ) throws(CommandError) -> [Rule] {
        let texts = invocation.texts(flag)
        if texts == ["-"] { return [] }
        var rules: [Rule] = []
        for text in texts {
            guard let rule = parse(text) else {
                let expectation =
                    flag == "hours"
                    ? "DAYS HH:MM-HH:MM, such as 'mon-fri 19:00-07:00'"
                    : "input=DURATION (10s or more), load=CPUS or command=PATH"
                throw .badValue(flag: "--\(flag)", value: text, expectation: expectation, command: "up")
            }
            rules.append(rule)
        }
        return rules
    }

    static func leastProfile(_ invocation: Invocation) -> SandboxProfile? {
        invocation.text("least-profile").flatMap { SandboxProfile(name: $0) }
    }

    /// Nil where nothing was said about mounts; empty where nothing is to be allowed any more.
    static func allowedMounts(_ invocation: Invocation) throws(CommandError) -> [String]? {
        guard invocation.has("allow-mount") else { return nil }
        let texts = invocation.texts("allow-mount")
        if texts == ["-"] { return [] }
        var mounts: [String] = []
        for text in texts {
            guard let mount = HostPolicy.AllowedMount(text) else {
                throw .badValue(
                    flag: "--allow-mount", value: text, expectation: "an absolute PATH or PATH:rw", command: "up")
            }
            mounts.append(mount.text)
        }
        return mounts
    }

    static let node: [Flag] =
        [
            Flag("name", .text(placeholder: "NAME"), "name of this node (default: the host name)"),
            Flag("labels", .labels, "labels of this node"),
        ] + daemon

    /// The same flags for the daemon that is started in the background.
    static func forwarded(_ invocation: Invocation) throws(CommandError) -> [String] {
        var words: [String] = []
        if let listen = invocation.text("listen") { words += ["--listen", listen] }
        if let port = invocation.count("port") { words += ["--port", "\(port)"] }
        if let simulated = invocation.text("simulate-gpus") { words += ["--simulate-gpus", simulated] }
        if let least = invocation.text("least-profile") { words += ["--least-profile", least] }
        for mount in invocation.texts("allow-mount") { words += ["--allow-mount", mount] }
        for pair in try owner(invocation).words { words += pair }
        return words
    }
}
