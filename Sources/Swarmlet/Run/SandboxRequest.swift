import Node
import Scheduler

/// What was typed about how a job is kept apart from its host.
enum SandboxRequest {
    /// Nil where nothing was.
    static func spec(_ invocation: Invocation) throws(CommandError) -> SandboxSpec? {
        let profile = invocation.text("profile").flatMap { SandboxProfile(name: $0) }
        let network = invocation.text("network").map(access)
        let setup = invocation.text("setup")
        if network == .setupOnly, setup == nil {
            throw .conflict(
                message: "--network setup-only is for a setup command, and there is none",
                hint: "add: --setup 'COMMAND', or use --network on")
        }
        let mounts = try invocation.texts("mount").map(mount)
        if profile == .some(.none), (network ?? .on) != .on || !mounts.isEmpty {
            throw .conflict(
                message: "--profile none leaves a job the network and the files of its host as they are",
                hint: "use --profile standard, or leave out --\((network ?? .on) != .on ? "network" : "mount")")
        }
        if profile == .strict, invocation.has("run-as") {
            throw .conflict(
                message: "--profile strict gives a job a user of its own, so it cannot run as another",
                hint: "leave out --run-as, or use --profile standard")
        }
        guard mounts.count <= SandboxSpec.mountsMax else {
            throw .conflict(
                message: "\(mounts.count) mounts are asked for, and a job has at most \(SandboxSpec.mountsMax)",
                hint: "mount the directory above them")
        }
        let spec = SandboxSpec(profile: profile, network: network, mounts: mounts, setup: setup)
        return spec.isEmpty ? nil : spec
    }

    private static func access(_ word: String) -> NetworkAccess {
        switch word {
        case "on": .on
        case "off": .off
        default: .setupOnly
        }
    }

    /// `SRC[:DST][:rw]`
    private static func mount(_ text: String) throws(CommandError) -> MountRequest {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let mode = parts.count > 1 && ["rw", "ro"].contains(parts[parts.count - 1]) ? parts.removeLast() : "ro"
        guard (1...2).contains(parts.count), let source = HostPolicy.plain(parts[0]), source != "/",
            let target = HostPolicy.plain(parts.count == 2 ? parts[1] : source), target != "/"
        else {
            throw .badValue(
                flag: "--mount", value: text,
                expectation: "absolute paths of the host and of the job, such as /data or /scratch/ana:/scratch:rw",
                command: "run")
        }
        return MountRequest(source: source, target: target, isWritable: mode == "rw")
    }
}
