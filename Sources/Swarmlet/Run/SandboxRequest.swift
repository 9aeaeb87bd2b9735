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
        let image = try invocation.text("image").map { (text) throws(CommandError) in
            guard let path = HostPolicy.plain(text), path != "/" else {
                throw .badValue(
                    flag: "--image", value: text,
                    expectation: "an absolute path on the host that runs the job, such as /srv/images/debian",
                    command: "run")
            }
            return path
        }
        if profile == .some(.none), image != nil {
            throw .conflict(
                message: "--image is the root of a sandbox, and --profile none makes none",
                hint: "leave out --profile, or use strict")
        }
        let user = try invocation.text("user").map(user)
        if profile == .some(.none), user != nil {
            throw .conflict(
                message: "--user is who a job is in its sandbox, and --profile none makes none",
                hint: "leave out --profile, or run as a user of the host: --run-as USER")
        }
        guard mounts.count <= SandboxSpec.mountsMax else {
            throw .conflict(
                message: "\(mounts.count) mounts are asked for, and a job has at most \(SandboxSpec.mountsMax)",
                hint: "mount the directory above them")
        }
        let spec = SandboxSpec(
            profile: profile, network: network, mounts: mounts, setup: setup, image: image, user: user?.user,
            group: user?.group)
        return spec.isEmpty ? nil : spec
    }

    /// `UID[:GID]`; -1 means something else to the kernel.
    private static func user(_ text: String) throws(CommandError) -> (user: UInt32, group: UInt32) {
        let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
        guard (1...2).contains(numbers.count), let user = numbers[0], let group = numbers[numbers.count - 1],
            user != .max, group != .max
        else {
            throw .badValue(
                flag: "--user", value: text,
                expectation: "numbers, UID or UID:GID; to run as a user of the host by name: --run-as USER",
                command: "run")
        }
        return (user, group)
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
