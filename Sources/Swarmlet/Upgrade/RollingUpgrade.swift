import Codec
import Node

/// One `swarmlet upgrade`: the steps of each host, and the order of the hosts. Whatever ends it, it may be repeated.
struct RollingUpgrade {
    let directory: DataDirectory
    let program: NewProgram
    let terminal: Terminal

    struct Host {
        let name: String
        let before: String
        var after: String
        var state: State
        /// Of its daemon, as it says: its data directory may be elsewhere than here.
        let log: String?
        /// Before the upgrade; it is to be had again.
        var isVoter = false
    }

    enum State {
        case upgraded, unchanged, dead, pending
    }

    /// Beyond what the host itself allows its daemon: it ends, goes back where it has to, and catches up.
    private static let slack = Interval.seconds(60)
    private static let pause = Interval.milliseconds(100)

    func run(everywhere: Bool) throws(CommandError) -> [Host] {
        terminal.progress("testing the new swarmlet")
        defer { terminal.clearProgress() }
        let own = try program.send(.prepare, directory, terminal)
        var hosts: [Host]
        if everywhere {
            hosts = try prepareAll(own)
        } else {
            let isThere = own.program == program.digest
            hosts = [
                Host(
                    name: own.node, before: own.version, after: own.version, state: isThere ? .unchanged : .pending,
                    log: own.daemonLog)
            ]
        }
        for host in hosts where host.state == .unchanged { say("\(host.name) runs \(host.after) already") }
        for host in hosts where host.state == .dead {
            terminal.warn(
                "\(host.name) is dead and stays at \(host.before); once it is back: swarmlet upgrade --rolling")
        }
        while let next = try nextHost(of: hosts) {
            hosts[next].isVoter = try isVoter(hosts[next].name)
            do throws(CommandError) {
                let view = try change(hosts[next], own.node)
                hosts[next].after = view.version
                hosts[next].state = .upgraded
                let jobs =
                    view.attempts == 0 ? "" : "; \(view.attempts) \(view.attempts == 1 ? "task" : "tasks") went on"
                say("\(hosts[next].name) runs \(view.version) (before: \(hosts[next].before))\(jobs)")
            } catch {
                guard hosts.count > 1 else { throw error }
                throw stopped(error, at: hosts[next], hosts)
            }
        }
        return hosts
    }

    private func say(_ text: String) {
        if terminal.format == .text { terminal.note(text) }
    }

    /// Every host that is there tests it before any changes.
    private func prepareAll(_ own: UpgradeView) throws(CommandError) -> [Host] {
        var hosts: [Host] = []
        for member in try MembersCommand.ask(directory).members where member.state != "revoked" {
            guard !["dead", "left"].contains(member.state) else {
                hosts.append(
                    Host(name: member.name, before: member.version, after: member.version, state: .dead, log: nil))
                continue
            }
            terminal.progress("testing the new swarmlet on \(member.name)")
            let view =
                member.name == own.node ? own : try program.ask(.prepare, of: member.name, directory)
            let isThere = view.program == program.digest
            hosts.append(
                Host(
                    name: member.name, before: view.version, after: view.version,
                    state: isThere ? .unchanged : .pending, log: view.daemonLog))
        }
        return hosts
    }

    /// The leader last: each change of the leader stops the mesh for a moment.
    private func nextHost(of hosts: [Host]) throws(CommandError) -> Int? {
        let pending = hosts.indices.filter { hosts[$0].state == .pending }
        guard pending.count > 1 else { return pending.first }
        let members = try MembersCommand.ask(directory).members
        return pending.first { index in
            members.first { $0.name == hosts[index].name }?.raft != "leader"
        } ?? pending.first
    }

    private func isVoter(_ name: String) throws(CommandError) -> Bool {
        let raft = try MembersCommand.ask(directory).members.first { $0.name == name }?.raft
        return raft == "leader" || raft == "voter"
    }

    private func change(_ host: Host, _ own: String) throws(CommandError) -> UpgradeView {
        terminal.progress("\(host.name) goes on as the new swarmlet")
        let node = host.name == own ? nil : host.name
        var patience = Interval.seconds(30)
        do throws(CommandError) {
            let view = try program.ask(.change, of: node, directory)
            patience = Interval(nanoseconds: Int64(clamping: view.patienceMilliseconds) &* 1_000_000)
        } catch {
            // The answer may have been lost with the daemon that gave it; what it does now shows.
            guard RollingUpgrade.mayPass(error) else { throw error }
        }
        let deadline = Clock.sinceBoot() + patience + RollingUpgrade.slack
        var missing = "it does not answer"
        while Clock.sinceBoot() < deadline {
            do throws(CommandError) {
                let view = try program.ask(.look, of: node, directory)
                guard let lack = try lack(of: view, host) else { return view }
                missing = lack
            } catch {
                guard RollingUpgrade.mayPass(error) else { throw error }
                missing = error.message
            }
            _ = LocalClient.wait(for: nil, signals: nil, until: Clock.sinceBoot() + RollingUpgrade.pause)
        }
        throw .refused(
            APIFailure(
                code: "upgrade.not_back", message: "\(host.name) is not back with the new swarmlet: \(missing)",
                hint: RollingUpgrade.wayToReason(host) + ". Then: swarmlet upgrade"))
    }

    /// What it still lacks; nil: it is back.
    private func lack(of view: UpgradeView, _ host: Host) throws(CommandError) -> String? {
        if let failure = view.takenBack, failure.hasPrefix(program.digest.hex) {
            throw .refused(
                APIFailure(
                    code: "upgrade.taken_back",
                    message: "\(host.name) runs \(view.version) again: \(failure.dropFirst(65))",
                    hint: RollingUpgrade.wayToReason(host)))
        }
        guard view.program == program.digest else { return "its daemon is the old one" }
        guard view.isCurrent else { return "it has not caught up with the mesh" }
        guard view.missing == 0 else { return "\(view.missing) of its tasks are not looked after" }
        let member = try MembersCommand.ask(directory).members.first { $0.name == host.name }
        guard let member, !["dead", "left", "suspect"].contains(member.state) else {
            return "the mesh does not see it"
        }
        guard !host.isVoter || member.raft == "leader" || member.raft == "voter" else {
            return "it has lost its seat among the voters"
        }
        return nil
    }

    private static func wayToReason(_ host: Host) -> String {
        "see why, on \(host.name): " + (host.log.map { "tail \($0)" } ?? "daemon.log in its data directory")
    }

    /// Errors that a daemon between its end and its start explains.
    private static func mayPass(_ error: CommandError) -> Bool {
        switch error {
        case .connectionLost, .daemonUnreachable: true
        case .refused(let failure): !failure.code.hasPrefix("upgrade.") && !failure.code.hasPrefix("auth.")
        default: false
        }
    }

    private func stopped(_ error: CommandError, at host: Host, _ hosts: [Host]) -> CommandError {
        let done = hosts.filter { $0.state == .upgraded || $0.state == .unchanged }.map(\.name)
        let left = hosts.filter { $0.state == .pending && $0.name != host.name || $0.state == .dead }
        var words: [String] = []
        if !done.isEmpty { words.append("on the new one: \(done.joined(separator: ", "))") }
        if !left.isEmpty {
            words.append("as before: " + left.map { "\($0.name) (\($0.before))" }.joined(separator: ", "))
        }
        return .refused(
            APIFailure(
                code: error.code, message: error.message,
                hint: ([error.hint] + words).joined(separator: "; ") + ". To go on: the same command once more"))
    }
}
