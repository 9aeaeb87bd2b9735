import Scheduler

/// What was typed about how a job is kept apart from its host.
enum SandboxRequest {
    /// Nil where nothing was.
    static func spec(_ invocation: Invocation) throws(CommandError) -> SandboxSpec? {
        let profile = invocation.text("profile").flatMap { SandboxProfile(name: $0) }
        let network = invocation.text("network").map { $0 == "on" ? NetworkAccess.on : .off }
        if profile == .some(.none), network == .off {
            throw .conflict(
                message: "--profile none leaves a job in the network of its host",
                hint: "use --profile standard, or leave out --network")
        }
        if profile == .strict, invocation.has("run-as") {
            throw .conflict(
                message: "--profile strict gives a job a user of its own, so it cannot run as another",
                hint: "leave out --run-as, or use --profile standard")
        }
        let spec = SandboxSpec(profile: profile ?? (network == nil ? nil : .standard), network: network)
        return spec.isEmpty ? nil : spec
    }
}
